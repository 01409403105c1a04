"""Things that are found by name: those of this package, and those that users add."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from inspect import Parameter, signature
from typing import Any, Generic, TypeVar

from xfeldask.errors import InputError, UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind by name.

    Parameters
    ----------
    kind : str, what errors call such a thing
    known : mapping, those of this package; their names stay theirs

    Raises
    ------
    UnknownNameError
        On look-up, a name that nobody has registered; the nearest ones are told.

    Examples
    --------
    >>> shapes = Registry("shape", {"disk": 1})
    >>> shapes.register("ring", 2)
    >>> shapes["ring"], "ball" in shapes, list(shapes)
    (2, False, ['disk', 'ring'])
    """

    def __init__(self, kind: str, known: Mapping[str, T]) -> None:
        self.kind = kind
        self._things = dict(known)
        self._ours = frozenset(known)

    def __getitem__(self, name: str) -> T:
        if name not in self._things:
            raise UnknownNameError(self.kind, name, self._things)
        return self._things[name]

    def __contains__(self, name: object) -> bool:
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)

    def register(self, name: str, thing: T) -> None:
        """Let a thing be found by a name in this process; one that was registered before goes.

        Raises
        ------
        InputError
            A name that is no identifier, or that of a thing of this package.
        """
        if not (isinstance(name, str) and name.isidentifier()):
            raise InputError(f"the name of a {self.kind} is an identifier such as 'my_{self.kind}', got {name!r}")
        if name in self._ours:
            raise InputError(f"there is a {self.kind} {name!r} in xfeldask itself; choose another name")
        self._things[name] = thing


def call(maker: Callable[..., T], **offered: Any) -> T:
    """Call with those of the arguments offered that the callable takes.

    Examples
    --------
    >>> call(lambda seed: seed + 1, seed=3, n_components=2)
    4
    """
    return maker(**{name: value for name, value in offered.items() if takes(maker, name)})


def takes(maker: Callable[..., Any], name: str) -> bool:
    """Whether a callable takes an argument by a name; what takes ``*args, **options`` alike tells of none.

    Examples
    --------
    >>> takes(lambda seed: seed, "seed"), takes(lambda seed: seed, "n_components"), takes(lambda **any: any, "seed")
    (True, False, True)
    """
    known = signature(maker).parameters
    kinds = {one.kind for one in known.values()}
    return name in known or (Parameter.VAR_KEYWORD in kinds and Parameter.VAR_POSITIONAL not in kinds)
