"""Flags that several commands take."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from xfeldask.cli.flags import experiment_options, keywords, orientations_flag, scheduler_options
from xfeldask.config import Detector, Experiment, Particle, Response
from xfeldask.errors import InputError, MissingFileError
from xfeldask.verbs.arguments.asked import as_experiment


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("random", {"kind": "random"}),
        ("uniform:10000", {"kind": "uniform", "count": 10000}),
        ("turns.npy", {"kind": "list", "source": "turns.npy"}),
        # a path may have a colon
        ("c:turns.npy", {"kind": "list", "source": "c:turns.npy"}),
    ],
)
def test_orientations__have_three_forms(text: str, value: dict[str, object]) -> None:
    assert orientations_flag(text) == value


@pytest.mark.parametrize("text", ["uniform", "uniform:", "uniform:x", "uniform:-3", "uniform:1.5"])
def test_orientations__of_a_uniform_set_need_a_number(text: str) -> None:
    with pytest.raises(InputError, match=f"'{text}': write uniform:COUNT, such as uniform:10000"):
        orientations_flag(text)


def test_keywords__leave_out_what_was_not_given_and_keep_what_is_false() -> None:
    assert keywords({"seed": 0, "intensity": False, "beam": None}) == {
        "experiment": None, "seed": 0, "intensity": False
    }  # fmt: skip


def test_keywords__of_parts_go_to_what_they_are_parts_of() -> None:
    for flags, source in (({}, "chaperonin"), ({"particle": "1ei7"}, "1ei7")):
        due = Particle(source=source, assembly="2")
        assert Particle(**keywords({"assembly": "2", **flags})["particle"]) == due
    assert keywords({"mask": "m.npy"})["detector"] == {"mask": "m.npy"}
    assert keywords({"response": "agipd"})["response"] == "agipd"
    assert keywords({"response": "agipd", "adu": True})["response"] == {"preset": "agipd", "adu": True}
    assert keywords({"mask": "m.npy", "detector": "square-8"})["detector"] == {"source": "square-8", "mask": "m.npy"}


def test_keywords__beside_an_experiment_file_replace_single_values(tmp_path: Path) -> None:
    detector = {"source": "square-64", "distance": 0.2, "mask": "old.npy", "response": "pnccd"}
    particle = {"source": "3iyf", "waters": True}
    file = tmp_path / "e.toml"
    file.write_text(Experiment(particle=particle, n_shots=9, detector=detector).to_toml())

    def asked(**flags: object) -> Experiment:
        found = keywords({"experiment_file": file, **flags})
        own = {name: found.pop(name, None) for name in ("experiment", "particle", "n_shots", "orientations")}
        return as_experiment(**own, parts=found)[0]

    whole = asked()
    assert asked(mask="m.npy") == whole.model_copy(
        update={"detector": whole.detector.model_copy(update={"mask": "m.npy"})}
    )
    assert asked(assembly="2").particle == whole.particle.model_copy(update={"assembly": "2"})
    assert asked(detector="square-64") == whole
    assert asked(particle="1sx4", assembly="2").particle == Particle(source="1sx4", assembly="2")
    other = asked(detector="square-128").detector
    assert other == Detector(source="square-128", response="pnccd")
    assert asked(adu=True).detector == whole.detector.model_copy(
        update={"response": Response(preset="pnccd", adu=True)}
    )
    assert asked(response="agipd").detector == whole.detector.model_copy(update={"response": Response(preset="agipd")})

    file.write_text(Experiment(species={"a": "chaperonin", "b": "virus"}, n_shots=9).to_toml())
    with pytest.raises(InputError, match="--assembly is of one particle"):
        asked(assembly="2")


def test_keywords__read_the_experiment_file(tmp_path: Path) -> None:
    experiment = Experiment(particle="chaperonin", n_shots=9, seed=4)
    (tmp_path / "e.toml").write_text(experiment.to_toml())
    assert keywords({"experiment_file": tmp_path / "e.toml", "seed": 5}) == {"experiment": experiment, "seed": 5}
    with pytest.raises(MissingFileError):
        keywords({"experiment_file": tmp_path / "none.toml"})


def test_options__of_an_experiment_are_its_fields(tmp_path: Path) -> None:
    given = []
    command = click.command()(experiment_options(lambda **flags: given.append(flags)))
    assert CliRunner().invoke(command, ["--n-shots", "7", "--no-intensity"]).exit_code == 0
    parts = {"experiment_file", "assembly", "mask", "single_fraction", "response", "adu"}
    assert given[0].keys() - parts == Experiment.model_fields.keys()
    told = {name: value for name, value in given[0].items() if value not in (None, ())}
    assert told == {"n_shots": 7, "intensity": False}


def test_options__of_a_scheduler_refuse_no_workers() -> None:
    command = click.command()(scheduler_options(lambda scheduler, workers: print(scheduler, workers)))
    assert CliRunner().invoke(command, []).output == "auto None\n"
    assert CliRunner().invoke(command, ["--scheduler", "tcp://a:1", "--workers", "3"]).output == "tcp://a:1 3\n"
    assert CliRunner().invoke(command, ["--workers", "0"]).exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("simulate", "a.zarr", "--particle", "missing.pdb", "--n-shots", "4"),
        ("simulate", "missing/a.zarr", "--particle", "chaperonin", "--n-shots", "4"),
        ("ingest", "missing.cxi", "a.zarr"),
        ("embed", "missing.zarr"),
        ("sort", "missing.zarr"),
        ("project", "missing.zarr", "ipca", "a.zarr"),
        ("verify", "missing.zarr"),
        ("reconstruct", "missing.zarr"),
        ("judge", "missing.zarr"),
        ("kinds", "missing.zarr"),
        ("background", "missing.zarr"),
    ],
)
def test_options__of_a_scheduler_start_none_for_what_is_refused(run, tmp_path: Path, monkeypatch, words) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(*words)
    assert code == 2
    assert "missing" in err
    assert "dashboard" not in err
    assert err.count("\n") == 1
