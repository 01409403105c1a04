"""An embedding made from the page, and what is told of it, without a browser."""

import html
import shutil
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import panel_material_ui as pmui
import pytest

from tests.explorer.conftest import N
from xfeldask import embed
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view import making as module
from xfeldask.explorer.view.making import Making
from xfeldask.explorer.view.offer import MakingEmbedding, offer


@pytest.fixture
def bare(stores: dict[str, Path], tmp_path: Path) -> Path:
    """A store of its own without an embedding."""
    return Path(shutil.copytree(stores["no embedding"], tmp_path / "bare"))


class Heard(list[tuple[str, str, int]]):
    """What the page told in turn, and how its bar stood."""

    def __init__(self, making: Making) -> None:
        super().__init__()
        making.told.param.watch(
            lambda event: self.append((event.new, making.bar.variant, int(making.bar.value))), "object"
        )


def finish(making: Making) -> None:
    assert making.thread is not None
    making.thread.join(120)
    assert not making.thread.is_alive()


def test_embed__tells_a_function_how_far_it_is(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[tuple[str, int, int, str]] = []
    found = embed(bare, progress=lambda *so_far: told.append(so_far))
    assert found.sizes["shot"] == N
    assert capsys.readouterr() == ("", "")
    stages = list(dict.fromkeys(what for what, *_ in told))
    assert stages == ["fitting", "learning to sort", "projecting"]
    for stage in stages:
        done, total, units = zip(*(so_far[1:] for so_far in told if so_far[0] == stage), strict=True)
        assert done[0] == 0
        assert list(done) == sorted(set(done))
        assert done[-1] <= total[0] == total[-1]
        assert units[0] == ("rule" if stage == "learning to sort" else "shots")
    assert told[-1] == ("projecting", N, N, "shots")


def test_making__shows_every_stage_and_then_the_embedding(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OFTEN", 0)
    session = Session(bare)
    making = MakingEmbedding(session, "")
    heard = Heard(making)
    making.start()
    finish(making)
    assert (f"fitting 0 of {N:,} shots", "determinate", 0) in heard
    assert ("learning to sort", "indeterminate") in [(told, variant) for told, variant, _ in heard]
    assert (f"projecting {N:,} of {N:,} shots", "determinate", 100) in heard
    assert session.embedding == "ipca"
    assert session.x == "c0"
    assert (making.bar.visible, making.make.disabled) == (False, False)


def test_making__tells_some_five_times_a_second(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0

    def busy(path: Path, progress: Any) -> None:
        nonlocal clock
        for shot in range(501):
            progress("fitting", shot, 500, "shots")
            clock += 1 / 512

    monkeypatch.setattr(import_module("xfeldask.verbs.embed"), "embed", busy)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock))
    making = MakingEmbedding(Session(bare), "")
    heard = Heard(making)
    making.start()
    finish(making)
    # 103 shots take 0.2 s
    shots = [int(told.split()[1]) for told, *_ in heard if told.startswith("fitting")]
    assert shots == [0, 103, 206, 309, 412, 500]


@pytest.mark.parametrize("fault", [RuntimeError("<b>the checksum is invalid</b>"), KeyError()])
def test_making__that_fails_says_why_and_can_be_begun_again(
    bare: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(path: Path, progress: Any) -> None:
        progress("fitting", 0, 10, "shots")
        raise fault

    monkeypatch.setattr(import_module("xfeldask.verbs.embed"), "embed", fail)
    making = MakingEmbedding(Session(bare), "")
    making.start()
    finish(making)
    assert making.told.object == (html.escape(str(fault)) or "KeyError")
    assert (making.bar.visible, making.make.disabled, making.view.visible) == (False, False, True)


def test_offer__goes_when_somebody_else_makes_an_embedding(bare: Path) -> None:
    session = Session(bare)
    (alert,), (box,) = offer(session, allow_write=False), offer(session, allow_write=True)
    assert isinstance(alert, pmui.Alert)
    assert f"xfeldask embed {bare}" in str(alert.objects[0].object)
    embed(bare, sort=None, progress=False)
    session.reopen()
    assert (alert.visible, box.visible) == (False, False)
    assert offer(session, allow_write=True) == []
