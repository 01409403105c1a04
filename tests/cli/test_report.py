"""`xfeldask report`."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.parametrize(("quiet", "printed"), [([], "written: r.html\n"), (["--quiet"], "")])
def test_report__writes_of_the_embedding_that_is_named_and_says_where(run, monkeypatch, quiet, printed) -> None:
    asked = []

    def report(store: Path, out: Path | None, *, embedding: str | None) -> Path:
        asked.append((store, out, embedding))
        return Path("r.html")

    monkeypatch.setattr("xfeldask.report.run_report.report", report)
    assert run("report", "run.zarr", "--out", "r.html", "--embedding", "ipca", *quiet) == (0, printed, "")
    assert run("report", "run.zarr", "--quiet")[0] == 0
    assert asked == [(Path("run.zarr"), Path("r.html"), "ipca"), (Path("run.zarr"), None, None)]
