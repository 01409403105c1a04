"""Things found by name."""

import pytest

from xfeldask.errors import InputError, UnknownNameError
from xfeldask.registry import Registry, call


@pytest.fixture
def shapes() -> Registry[int]:
    return Registry("shape", {"disk": 1})


def test_registry__finds_what_was_registered_last(shapes: Registry[int]) -> None:
    shapes.register("ring", 2)
    shapes.register("ring", 3)
    assert (shapes["ring"], len(shapes), list(shapes)) == (3, 2, ["disk", "ring"])
    assert "ring" in shapes
    assert "ball" not in shapes


def test_registry__tells_the_nearest_name(shapes: Registry[int]) -> None:
    with pytest.raises(UnknownNameError, match="unknown shape 'disc'; did you mean disk"):
        shapes["disc"]


@pytest.mark.parametrize("name", ["disk", "no name", "", "3", None])
def test_registry__refuses_names_that_cannot_be(shapes: Registry[int], name: str) -> None:
    with pytest.raises(InputError, match="shape"):
        shapes.register(name, 2)
    assert list(shapes) == ["disk"]


def test_registries__do_not_share(shapes: Registry[int]) -> None:
    shapes.register("ring", 2)
    assert "ring" not in Registry("shape", {"disk": 1})


def test_call__offers_more_than_is_taken() -> None:
    class Method:
        def __init__(self, n_components: int = 3, random_state: int | None = None) -> None:
            self.given = n_components, random_state

    assert call(Method, n_components=5, seed=1, random_state=1).given == (5, 1)
    assert call(lambda: 2, seed=1) == 2
    assert call(lambda n_components, **more: (n_components, more), n_components=5, seed=1) == (5, {"seed": 1})
