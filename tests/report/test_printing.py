"""What is printed of stores, embeddings and decisions."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.tiny import embed_tiny, frames, tiny_run
from xfeldask.engines.estimate import Estimate
from xfeldask.report.printing import (
    bytes_text,
    console,
    facts,
    print_density,
    print_estimate,
    print_run,
    print_store,
    print_verdict,
    size_on_disk,
)
from xfeldask.store.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("printing") / "run.zarr"
    return embed_tiny(tiny_run(path, frames(24), truth={"n_particles": np.arange(24) % 3}))


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_480_000_000, "1.48 GB"), (2.5e15, "2.5e+03 TB")]
)
def test_bytes__have_a_decimal_unit(n: float, text: str) -> None:
    assert bytes_text(n) == text


def test_size_on_disk__is_that_of_all_files(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").write_bytes(b"123")
    (tmp_path / "d").write_bytes(b"45")
    assert size_on_disk(tmp_path) == 5


def test_print_store__says_what_there_is_and_what_it_means(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    print_store(run.path)
    told = capsys.readouterr().out
    for words in ("complete", "1 x 8 x 8 pixels", "24 of 24 done", "0: 8 shots, 1: 8 shots, 2: 8 shots", "pca"):
        assert words in told
    for name, unit in (("photons", "count"), ("pixel_position", "m"), ("q", "angstrom-1")):
        assert re.search(rf"{name}\b.*{unit}\b", told)


def test_print_store__that_is_not_whole_says_how_to_finish_it(tmp_path: Path, capsys) -> None:
    print_store(tiny_run(tmp_path / "run.zarr", frames(6), done=4).path)
    assert "not complete; finish it with --resume" in capsys.readouterr().out


def test_print_verdict__has_the_rows_of_the_verdict(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    print_verdict(run, run.embedding().dataset())
    told = " ".join(capsys.readouterr().out.split())
    assert "2 components by pca of counts, fitted to 24 shots, not watched to convergence" in told
    assert "singles accepted" in told


@pytest.mark.parametrize(
    ("transfer", "densities", "told"),
    [
        ([1, 0.4, 0.3], [0.99, 0.4, 0.1], ["starts agree to 10.00 nm", "half sets agree to 5.00 nm", "above 0.143"]),
        ([1, 0.6, 0.5], None, ["starts agree to 3.33 nm (phase transfer above 0.5)"]),
        ([0.4, 0.6, 0.5], [0.1, 0.1, 0.1], ["starts do not agree", "half sets do not agree"]),
    ],
)
def test_print_density__tells_the_resolution_that_each_curve_has_at_its_own_limit(
    transfer: list[float], densities: list[float] | None, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = xr.Dataset({"x": np.arange(9), "s": ("u", np.arange(-4, 5) * 1e8), "phase_transfer": ("shell", transfer)})
    found["density"] = ("x", np.zeros(9), {"device": "a GPU"})
    if densities:
        found["density_correlation"] = "shell", densities
    print_density(found)
    out = capsys.readouterr().out
    assert all(part in out for part in [*told, "phased on a GPU"])
    assert ("half sets" in out) == (densities is not None)


def test_print_run__is_told_when_it_is_done_and_only_then(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with print_run(run.path, quiet=False):
        assert capsys.readouterr().out == ""
    told = capsys.readouterr().out
    assert all(words in told for words in ("24 in ", "particles a shot", f"next: xfeldask embed {run.path}"[:40]))
    with print_run(run.path, quiet=True):
        pass
    with pytest.raises(ZeroDivisionError), print_run(run.path, quiet=False):
        raise ZeroDivisionError
    assert capsys.readouterr().out == ""


def test_print_estimate__divides_the_time_among_workers(capsys: pytest.CaptureFixture[str]) -> None:
    print_estimate(Estimate(10_000, 3, 2 * 10**7, 10**10, 2 * 10**8, 80.0), workers=4)
    told = capsys.readouterr().out
    assert all(words in told for words in ("10,000", "3, a shard each", "20 MB for 10 GB", "200 MB", "20 s on 4 cores"))


def test_facts__of_hostile_names_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(facts("[red]\x1b[31m", {"[bold]": "a\nb"}))
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "[bold]" in told
    assert r"a\nb" in told
