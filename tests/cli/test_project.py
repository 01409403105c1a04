"""`xfeldask project`."""

from __future__ import annotations

from pathlib import Path

import pytest

THREADS = ["--scheduler", "threads"]


def test_project__hands_on_what_it_was_asked_and_prints_the_verdict(run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("xfeldask.verbs.project.project", lambda *words, **more: asked.append((words, more)))
    monkeypatch.setattr("xfeldask.store.run.open_run", lambda store: store)
    monkeypatch.setattr("xfeldask.report.printing.print_verdict", lambda run, found: print("verdict on", run))
    words = ["project", "a.zarr", "ipca", "b.zarr", "--as-name", "theirs", "--overwrite", *THREADS]
    assert run(*words)[:2] == (0, "verdict on b.zarr\n")
    assert run(*words, "--quiet")[:2] == (0, "")
    given = Path("a.zarr"), "ipca", Path("b.zarr")
    more = {"as_name": "theirs", "overwrite": True, "device": "cpu"}
    assert asked == [(given, more | {"progress": True}), (given, more | {"progress": False})]


def test_project__of_a_store_that_is_not_there_is_one_sentence(run, tmp_path: Path) -> None:
    code, out, err = run("project", tmp_path / "no.zarr", "ipca", tmp_path / "b.zarr", *THREADS)
    assert (code, out) == (2, "")
    assert "no store at" in err
