"""Every example runs as it stands, small."""

import runpy
from functools import partial
from pathlib import Path

import distributed
import pytest

from xfeldask.config import Experiment
from xfeldask.engines.engine import ENGINES
from xfeldask.features.feature import FEATURES
from xfeldask.latent.methods import METHODS
from xfeldask.sorting.rules import RULES
from xfeldask.verbs.open_frames import FRAME_FORMATS

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(autouse=True)
def registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an example registers is gone after it."""
    for registry in (ENGINES, FEATURES, FRAME_FORMATS, METHODS, RULES):
        monkeypatch.setattr(registry, "_things", dict(registry._things))


@pytest.mark.parametrize(
    ("name", "small"),
    [
        ("simulate_and_embed", {"n_shots": 400, "detector": "square-64"}),
        ("on_a_cluster", {"n_shots": 40, "detector": "square-64"}),
        ("look_at_a_shot", {"detector": "square-64"}),
        ("compare_detectors", {"n_shots": 4, "side": 64}),
        ("own_engine", {"n_shots": 20, "detector": "square-64"}),
        ("own_feature", {"n_shots": 60, "detector": "square-64"}),
        ("own_frames", {}),
        ("own_method", {"n_shots": 60, "detector": "square-64"}),
        ("own_rule", {"n_shots": 60, "detector": "square-64"}),
        ("reconstruct_a_particle", {"n_shots": 1500, "detector": "square-64", "resolution": 12e-9, "starts": 1}),
    ],
)
def test_example__runs(
    name: str, small: dict, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # that workers in processes do the same is tested elsewhere
    monkeypatch.setattr(distributed, "LocalCluster", partial(distributed.LocalCluster, processes=False))
    runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](**small)
    assert capsys.readouterr().out


def test_explore_the_demo__serves_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    served = []
    monkeypatch.setattr("xfeldask.explorer.serving.serve", lambda options, **more: served.append((options, more)))
    runpy.run_path(str(EXAMPLES / "explore_the_demo.py"))["main"](tmp_path / "run.zarr", port=5999)
    ((options, more),) = served
    assert options.stores == (tmp_path / "run.zarr",)
    assert more["port"] == 5999


@pytest.mark.parametrize(("name", "species"), [("thirteen_classes", 13), ("pr772_like", 5), ("realistic", 0)])
def test_experiment__of_an_example_is_read(name: str, species: int) -> None:
    found = Experiment.from_toml(EXAMPLES / f"{name}.toml")
    assert len(found.species or {}) == species


def test_examples__are_all_tested_and_short() -> None:
    scripts = sorted(EXAMPLES.glob("*.py"))
    assert [s.stem for s in scripts] == [
        "compare_detectors",
        "explore_the_demo",
        "look_at_a_shot",
        "on_a_cluster",
        "own_engine",
        "own_feature",
        "own_frames",
        "own_method",
        "own_rule",
        "reconstruct_a_particle",
        "simulate_and_embed",
    ]
    assert all(len(s.read_text().splitlines()) < 60 for s in scripts)


def test_experiment_files__are_valid() -> None:
    from xfeldask import Experiment

    files = sorted(EXAMPLES.glob("*.toml"))
    assert files
    assert all(Experiment.from_toml(file).n_shots > 0 for file in files)
