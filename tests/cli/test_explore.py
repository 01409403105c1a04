"""`xfeldask explore`, without a server."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from xfeldask import embed
from xfeldask.explorer.serving_options import Options
from xfeldask.verbs.parts import patience

MODULE = "xfeldask.cli.explore"
SERVING = "xfeldask.explorer.serving"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What would have been served, on port 8 where a free one is asked for."""
    asked: list[object] = []

    def serve(options: Options, port: int, *words: Any) -> None:
        # what is imported until now lasts, and the server itself goes on so
        assert not gc.isenabled()
        *rest, listening = words
        asked.append((options, port, *rest))
        listening(port or 8)

    module = SimpleNamespace(serve=serve)
    monkeypatch.setitem(sys.modules, SERVING, module)
    return asked


def test_explore__serves_what_it_was_asked_and_says_how_to_reach_it(run, store: Path, served: list[object]) -> None:
    embed(store, name="mine", n_components=1, sort=None, progress=False)
    words = ["--embedding", "mine", "--port", 7, "--no-show", "--allow-write", "--allow-origin", "host:9"]
    code, out, err = run("explore", store, *words, "--scheduler", "threads")
    assert (code, out) == (0, "")
    assert "ssh -L 7:127.0.0.1:7" in err
    assert served == [(Options((store,), "mine", True), 7, "127.0.0.1", False, None, ("host:9",))]


@pytest.mark.parametrize(("words", "told"), [(("--port", 0), "ssh -L 8:127.0.0.1:8"), (("--address", "0.0.0.0"), "")])
def test_explore__tells_of_a_tunnel_to_the_port_that_it_listens_on_where_one_is_needed(run, store, served, words, told):
    code, _, err = run("explore", store, *words, "--scheduler", "threads")
    assert (code, len(served)) == (0, 1)
    assert told in err if told else "ssh -L" not in err


def test_explore__refuses_an_embedding_that_no_store_has(run, store: Path, served: list[object]) -> None:
    code, _, err = run("explore", store, "--embedding", "nope")
    assert (code, "nope" in err, err.count("\n"), served) == (2, True, 1, [])


def test_explore__takes_the_password_from_the_environment(run, store: Path, served: list[object], monkeypatch) -> None:
    monkeypatch.setenv("XFELDASK_PASSWORD", "open sesame")
    assert run("explore", store, "--scheduler", "threads")[0] == 0
    assert served[0][4] == "open sesame"


def test_explore__serves_nothing_where_one_store_is_missing(run, store: Path, served: list[object]) -> None:
    code, _, err = run("explore", store, store.with_name("no.zarr"))
    assert (code, "no store at" in err, served) == (2, True, [])


def test_explore__says_what_is_to_be_installed(run, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # a page would not be made without either, though the server starts
    for name in ("holoviews", "shapely"):
        monkeypatch.setitem(sys.modules, name, None)
    code, _, err = run("explore", store)
    assert (code, "needs holoviews, shapely: pip install 'xfeldask[explorer]'" in err) == (2, True)


def test_explore__waits_for_a_store_if_asked(run, store: Path, served: list[object], monkeypatch, tmp_path) -> None:
    late = tmp_path / "late.zarr"
    monkeypatch.setattr(patience.time, "sleep", lambda _: late.symlink_to(store))
    code, _, err = run("explore", late, "--wait", "--scheduler", "threads")
    assert (code, f"{late} is not there yet" in err) == (0, True)
    assert served[0][0].stores == (late,)


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("http://127.0.0.1:8787/status", "ssh -L 8787:127.0.0.1:8787 here"),
        ("http://cluster:8787/status", ""),
        (None, ""),
    ],
)
def test_explore__says_how_to_reach_the_dashboard_too(link, told, capsys) -> None:
    import_module(MODULE).tell_of_dashboard("here", link)
    assert told in capsys.readouterr().err
