from __future__ import annotations

import pickle
import shutil

import dask
import numpy as np
import pytest

from tests.tiny import frames, tiny_run
from xfeldask import verify
from xfeldask.errors import InputError, MissingFileError
from xfeldask.store.checks import Problem
from xfeldask.store.layout import FORMAT
from xfeldask.store.run import Run
from xfeldask.verbs.verify import TOLD, Report, reopen


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("verify") / "run.zarr", frames(10))


@pytest.fixture
def run(made, tmp_path):
    return Run.open(shutil.copytree(made.path, tmp_path / "run.zarr"))


@pytest.fixture(autouse=True)
def here():
    with dask.config.set(scheduler="synchronous"):
        yield


def test_report__tells_the_first_problems_and_how_many_more():
    problems = tuple(Problem("photons", range(i, i + 1), "is damaged") for i in range(TOLD + 5))
    lines = str(Report(1000, problems)).splitlines()
    assert lines[0] == "1,000 shots checked, 25 problems:"
    assert (len(lines), lines[-1]) == (TOLD + 2, "  and 5 more")
    assert str(Report(1, ())) == "1 shots checked, no problems"
    assert str(Report(5, problems[:1])).startswith("5 shots checked, 1 problem:\n")
    assert pickle.loads(pickle.dumps(Report(5, problems))) == Report(5, problems)


def test_verify__of_a_run_that_is_whole_finds_nothing(run):
    report = verify(run.path, progress=False)
    assert (report.ok, report.n_shots) == (True, 10)


def test_reopen__marks_the_shards_whose_shots_are_damaged(run):
    # two shards are damaged, by an image that is gone and by photons that are not whole
    (run.path / "image/c/0/0/0").unlink()
    file = run.path / "photons/c/2/0/0/0"
    file.write_bytes(file.read_bytes()[:-9])
    report = verify(run.path, progress=False)
    assert {problem.variable for problem in report.problems} == {"image", "photons"}
    assert reopen(run.path, report) == 2
    found = run.reopened()
    assert not found.complete
    np.testing.assert_array_equal(found.done(), [False] * 4 + [True] * 4 + [False] * 2)
    again = verify(run.path, progress=False)
    assert all("not done yet" in problem.what for problem in again.problems if problem.variable == "shot_status")


def test_reopen__marks_nothing_of_a_format_that_nothing_finishes(run):
    run.reopened("r+").group.attrs["format"] = FORMAT - 1
    report = Report(10, (Problem("photons", range(3, 4), "is damaged"),))
    with pytest.raises(InputError, match=rf"has format {FORMAT - 1}, and shots are made by format {FORMAT}"):
        reopen(run.path, report)
    assert run.reopened().complete
    assert run.reopened().done().all()


def test_reopen__leaves_alone_what_cannot_be_drawn_again(run):
    report = Report(10, (Problem("orientation", range(3, 4), "is damaged"), Problem("mask", range(0), "is gone")))
    assert reopen(run.path, report) == 0
    assert run.reopened().complete


def test_verify__of_a_run_whose_shots_are_all_done_says_that_it_is_not_marked_so(run):
    run.reopened("r+").group.attrs["complete"] = False
    (problem,) = verify(run.path, progress=False).problems
    assert problem.variable == "complete"
    assert "every shot is done, but the store is not marked so" in problem.what


def test_verify__recomputes_only_what_was_simulated(run, tmp_path):
    with pytest.raises(InputError, match="was not simulated, so that no shot of it can be recomputed"):
        verify(run.path, recompute=1, progress=False)
    with pytest.raises(InputError, match="recompute is a number of shots, got -1"):
        verify(run.path, recompute=-1, progress=False)
    with pytest.raises(MissingFileError):
        verify(tmp_path / "none.zarr", progress=False)
