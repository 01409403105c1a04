"""Each benchmark class runs once, at its smallest size; what it measures here says nothing of speed."""

from __future__ import annotations

import math
import os
import re
import warnings
from pathlib import Path

import pytest

from xfeldask.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
LONG = {
    "AgainstPeers",
    "AgainstSkopi",
    "AskedPurity",
    "Blanks",
    "Commit",
    "Distribution",
    "FiveVisitors",
    "FollowAtRate",
    "FoundKinds",
    "Gestures",
    "HardBeams",
    "HeldOut",
    "Hover",
    "HoverInBucket",
    "Import",
    "Ingest",
    "Interpolation",
    "IntoBucket",
    "LabelledKinds",
    "LikeSpeckleNN",
    "ManyThreads",
    "NamedKinds",
    "NamedPairs",
    "Open",
    "Orientation",
    "Phasing",
    "RareHits",
    "ReadShot",
    "Reconstruct",
    "ReconstructWithoutSymmetry",
    "ReferenceRule",
    "Simulate",
    "SimulateOnCluster",
    "SkopiInterpolation",
    "Sorting",
    "Stream",
    "Throughput",
    "UnseenAssemblies",
    "Visits",
    "WhereTimeGoes",
    "Wire",
}
"""Run in a campaign only: they take seconds, as what they measure does, which other tests run too."""


@pytest.fixture(scope="module", autouse=True)
def smoke():
    """Benchmarks as a package beside the tests, with as few repeats as they can do."""
    patch = pytest.MonkeyPatch()
    patch.setenv("XFELDASK_BENCH", "smoke")
    patch.syspath_prepend(str(ROOT))
    yield
    patch.undo()


def names() -> list[str]:
    """Benchmark classes, read from the text so that collecting tests imports nothing."""
    found = []
    for path in sorted((ROOT / "benchmarks").glob("bench_*.py")):
        for part in re.split(r"^class ", path.read_text(), flags=re.MULTILINE)[1:]:
            if re.search(r"def (time|track)_|^\w+\(Simulate\)", part):
                found.append(re.match(r"\w+", part)[0])
    return found


def test_report__knows_every_benchmark_class():
    from benchmarks.report import classes

    assert sorted(classes()) == sorted(names())
    assert set(names()) > LONG


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.campaign if n in LONG else ()) for n in names()])
def test_benchmark__runs_at_its_smallest(name):
    from benchmarks.common import run
    from benchmarks.report import classes

    try:
        results = list(run(classes()[name], smallest=True))
    except NotImplementedError as error:
        pytest.skip(f"{name}: {error}")
    assert results
    for result in results:
        assert math.isfinite(result.value), result
        # of some things none is best
        assert result.value >= 0, result
        assert result.what == result.what.strip(), "the docstring is a row's title"


def test_run__tells_what_each_parameter_is():
    from benchmarks.common import measures, run

    class Sized:
        params = ([1000], [20], [0.2], ["cpu"])
        param_names = ("n_shots", "labels", "size_spread", "device")

        @measures("s")
        def track_it(self, *_):
            """What it takes"""
            return 1.0

    (result,) = run(Sized, smallest=True)
    assert result.what == "What it takes (1,000 shots, labels 20, size spread 0.2, cpu)"


def test_report__prints_a_table(capsys):
    from benchmarks.report import main

    assert main(["Golden"]) == 0
    table = capsys.readouterr().out
    assert "measured" in table
    assert "golden values" in table or "not run: " in table


def test_report__tells_what_cannot_run_to_the_letter(capsys, monkeypatch):
    from benchmarks import report

    class Refusing:
        def setup(self):
            raise NotImplementedError("install 'xfeldask[cuda]'")

    monkeypatch.setattr(report, "classes", lambda: {"Refusing": Refusing})
    assert report.main([]) == 0
    assert "not run: install 'xfeldask[cuda]'" in capsys.readouterr().out


def test_report__lists_what_it_knows(capsys):
    from benchmarks.report import main

    assert main(["--list"]) == 0
    assert sorted(capsys.readouterr().out.split()) == sorted(names())
    assert main(["Nonsense"]) == 2
    assert "Commit" in capsys.readouterr().out


def test_asv__discovers_every_benchmark():
    """Its configuration is valid and finds what the report runs."""
    pytest.importorskip("asv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from asv.config import Config
        from asv_runner.discovery import disc_benchmarks

        config = Config.load(str(ROOT / "benchmarks" / "asv.conf.json"))
        assert config.environment_type == "existing"
        found = {benchmark.name.split(".")[1] for benchmark in disc_benchmarks(str(ROOT / "benchmarks"))}
    assert found == set(names())


def test_run__passes_over_devices_that_are_not_there(monkeypatch):
    from benchmarks import common

    class Told:
        params = (common.DEVICES, ["one", "two"])
        param_names = ("device", "which")

        def setup(self, device, _):
            common.need_device(device)

        def track_it(self, *_):
            """It"""
            return 1

    def device_of(name):
        if name == "cuda":
            raise InputError("no GPU")

    monkeypatch.setattr(common, "device_of", device_of)
    results = common.run(Told)
    assert [next(results).what for _ in range(2)] == ["It (cpu, one)", "It (cpu, two)"]
    with pytest.raises(NotImplementedError, match="no GPU"):
        next(results)


def test_smoke__is_what_the_tests_ask_for():
    from benchmarks.common import effort

    assert os.environ["XFELDASK_BENCH"] == "smoke"
    assert effort(1, 10, 100) == 1


@pytest.mark.campaign
def test_cluster_load__tells_what_each_process_carries(tmp_path, monkeypatch, capsys):
    from benchmarks.cluster_load import main

    monkeypatch.setattr("sys.argv", ["cluster_load", "300", "--folder", str(tmp_path)])
    main()
    told = capsys.readouterr().out
    assert [line.split(":")[0] for line in told.splitlines() if not line.startswith(" ")] == [
        "simulate",
        "embed",
        "project",
    ]
    assert told.count("scheduler:") == told.count("worker:") == 3
