"""`reproduce`: a series that says what its stores say, goes on where it stopped, and refuses what makes no sense."""

from __future__ import annotations

import csv
import json
import math
import shutil
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
import zarr
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.cli.small import SERIES
from tests.once import Once
from xfeldask import open_dataset
from xfeldask.errors import ExperimentMismatchError, InputError
from xfeldask.physics.orientations import symmetry_group
from xfeldask.report.poster.results import Case, read_table
from xfeldask.report.poster.series import reproduce, series
from xfeldask.report.poster.table import COLUMNS, PRINTED, print_table
from xfeldask.scores import Confusion, calibration, orientation_scores, sorting_scores

TINY = {"sizes": [1000], "mixtures": [0.9], "detector": "square-64", "progress": False}
MADE_OF = {"particle": "chaperonin", "detector": "square-64", "seed": 7}
NAME = "ideal-1000-0.9"
COUNTS = ("singles_accepted", "multiples_accepted", "multiples_rejected", "singles_rejected")


@pytest.fixture(scope="module")
def made(once: Once) -> Path:
    def make(folder: Path) -> None:
        reproduce(folder, **TINY)

    return once("series", make)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(made, tmp_path / "series")


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are files without a picture, which is quicker."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda _, path, **__: Path(path).touch())


@pytest.fixture
def nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("made again")

    for what in ("verbs.parts.pending.run_tasks", "verbs.simulate.publish_template", "report.poster.series.embed"):
        monkeypatch.setattr(f"xfeldask.{what}", never)


def lines_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "reproduction.csv").open() as file:
        return list(csv.DictReader(file))


def latent_of(folder: Path, name: str):
    return open_dataset(folder / f"{NAME}.zarr", group=f"latent/{name}", chunks=None)


def test_reproduce__sorts_by_the_rule_of_the_reference_and_by_the_default(made: Path) -> None:
    reference, ours, oriented = (
        json.loads(latent_of(made, name).attrs["parameters"]) for name in ("reference", "ours", "orientation")
    )
    assert reference["features"]["name"] == "fourier_crop"
    assert (reference["n_components"], reference["batch_size"], reference["n_fitted"]) == (3, 100, 1000)
    assert (reference["sort"], reference["contamination"]) == ("elliptic_envelope", 0.1)
    assert (ours["features"]["name"], ours["sort"], ours["max_singles_lost"]) == ("counts", "pairs", 0.01)
    assert (oriented["features"]["name"], oriented["n_components"], oriented["sort"]) == ("unit_root", 20, None)


@pytest.mark.parametrize("rule", ["reference", "ours"])
def test_reproduce__writes_what_the_stores_say(made: Path, rule: str) -> None:
    (line,) = (line for line in lines_of(made) if line["rule"] == rule)
    ds, latent = open_dataset(made / f"{NAME}.zarr", chunks=None), latent_of(made, rule)
    single, accepted, score = ds.n_particles.values == 1, latent.is_single.values, latent.score.values
    assert (line["condition"], line["shots"], line["mixture"]) == ("ideal", "1000", "0.9")
    assert int(line["singles_accepted"]) == (single & accepted).sum()
    assert int(line["multiples_accepted"]) == (~single & accepted).sum()
    assert int(line["multiples_rejected"]) == (~single & ~accepted).sum()
    assert int(line["singles_rejected"]) == (single & ~accepted).sum()
    assert float(line["purity"]) == single[accepted].mean()
    assert float(line["roc_auc"]) == pytest.approx(roc_auc_score(single, score), abs=1e-12)
    assert float(line["average_precision"]) == pytest.approx(average_precision_score(~single, -score), abs=1e-12)
    assert float(line["baseline_average_precision"]) == (~single).mean()
    rejected = sorting_scores(single, accepted, score).multiples_rejected_fraction_at_limit
    assert float(line["multiples_rejected_fraction_at_1_percent"]) == rejected
    name = {"reference": "reference", "ours": "orientation"}[rule]
    found = orientation_scores(
        latent_of(made, name).latent.values[single], ds.orientation.values[single, 0], symmetry_group("D8"), seed=7
    )
    told = [float(line[f"orientation_{what}"]) for what in ("error", "random", "oracle")]
    assert told == [found.median_error, found.random, found.oracle]
    assert float(line["seconds"]) > 0


def test_reproduce__tells_what_only_the_pair_rule_can(made: Path) -> None:
    reference, ours = lines_of(made)
    ds, latent = open_dataset(made / f"{NAME}.zarr", chunks=None), latent_of(made, "ours")
    error = calibration(latent.probability_single.values, ds.n_particles.values == 1).error
    assert (reference["calibration_error"], reference["expected_singles_rejected_fraction"]) == ("", "")
    assert float(ours["calibration_error"]) == error
    p, accepted = latent.probability_single.values, latent.is_single.values
    assert float(ours["expected_singles_rejected_fraction"]) == pytest.approx(p[~accepted].sum() / p.sum())


def test_reproduce__page_holds_the_table_and_links_to_its_figures(made: Path) -> None:
    page = (made / "reproduction.md").read_text()
    for row in read_table(made, MADE_OF).values():
        assert f"| {' | '.join(tell(row) for tell in COLUMNS.values())} |" in page
    links = {part.split(")")[0] for part in page.split("](")[1:]}
    assert {str(path.relative_to(made)) for path in (made / "figures").iterdir()} == links
    assert len(links) == 6
    assert all((made / link).stat().st_size > 10_000 for link in links)


@pytest.mark.usefixtures("nothing_is_made", "undrawn")
def test_reproduce__again_makes_nothing_and_says_the_same(folder: Path) -> None:
    before = (folder / "reproduction.csv").read_bytes()
    rows = reproduce(folder, **TINY)
    assert (folder / "reproduction.csv").read_bytes() == before
    assert [row.rule for row in rows] == ["reference", "ours"]


OLD_NAMES = {
    "multiples_rejected_fraction_at_1_percent": "caught_at_1_percent_lost",
    "expected_singles_rejected_fraction": "expected_singles_lost",
}


@pytest.mark.usefixtures("nothing_is_made", "undrawn")
def test_reproduce__table_with_the_names_of_before_is_read_and_renamed(folder: Path) -> None:
    path = folder / "reproduction.csv"
    now = path.read_bytes()
    old = []
    for line in lines_of(folder):
        counted = Confusion(*(int(line.pop(name)) for name in COUNTS))
        assert str(counted.purity) == line["purity"]
        old.append({"singles": counted.singles, "others": counted.multiples, "singles_kept": counted.singles_accepted,
                    "others_let_in": counted.multiples_accepted}
                   | {OLD_NAMES.get(name, name): value for name, value in line.items()})  # fmt: skip
    with path.open("w") as file:
        writer = csv.DictWriter(file, list(old[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(old)
    rows = reproduce(folder, **TINY)
    assert path.read_bytes() == now
    assert [astuple(row.confusion) for row in rows] == [
        tuple(int(line[name]) for name in COUNTS) for line in lines_of(folder)
    ]


@pytest.mark.usefixtures("nothing_is_made", "undrawn")
def test_reproduce__lost_table_comes_back_but_for_the_seconds(folder: Path) -> None:
    before = lines_of(folder)
    (folder / "reproduction.csv").unlink()
    rows = reproduce(folder, **TINY)
    assert all(math.isnan(row.seconds) for row in rows)
    assert lines_of(folder) == [line | {"seconds": ""} for line in before]


@pytest.mark.usefixtures("undrawn")
def test_reproduce__makes_only_the_embedding_that_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xfeldask import embed

    made: list[str] = []

    def recorded(store: Path, *, name: str, **options: object):
        made.append(name)
        return embed(store, name=name, **options)

    monkeypatch.setattr("xfeldask.report.poster.series.embed", recorded)
    score = latent_of(folder, "reference").score.values
    shutil.rmtree(folder / f"{NAME}.zarr" / "latent" / "reference")
    reproduce(folder, **TINY)
    assert made == ["reference"]
    np.testing.assert_array_equal(latent_of(folder, "reference").score, score)


@pytest.mark.usefixtures("nothing_is_made", "undrawn")
def test_reproduce__keeps_rows_of_runs_that_were_not_asked_for(folder: Path) -> None:
    path = folder / "reproduction.csv"
    earlier = [line.replace("ideal,1000,", "ideal,5000,", 1) for line in path.read_text().splitlines()[1:]]
    path.write_text("\n".join([path.read_text().splitlines()[0], *earlier]) + "\n")
    rows = reproduce(folder, **TINY)
    assert [(row.shots, row.rule) for row in rows] == [
        (1000, "reference"), (1000, "ours"), (5000, "reference"), (5000, "ours"),
    ]  # fmt: skip
    assert path.read_text().splitlines()[3:] == earlier


@pytest.mark.usefixtures("nothing_is_made", "undrawn")
@pytest.mark.parametrize("other", [{"seed": 8}, {"detector": "square-32"}])
def test_reproduce__another_series_is_refused(folder: Path, other: dict) -> None:
    with pytest.raises(InputError, match=next(iter(other))):
        reproduce(folder, **TINY | other)
    (folder / "reproduction.csv").unlink()
    with pytest.raises(ExperimentMismatchError):
        reproduce(folder, **TINY | other)


@pytest.mark.usefixtures("nothing_is_made", "undrawn")
def test_reproduce__strange_table_is_refused_and_left_alone(folder: Path) -> None:
    path = folder / "reproduction.csv"
    for text in ("a,b\n1,2\n", path.read_text().replace("1000", "many")):
        path.write_text(text)
        with pytest.raises(InputError, match="move it away"):
            reproduce(folder, **TINY)
        assert path.read_text() == text


@pytest.mark.usefixtures("nothing_is_made", "undrawn")
def test_reproduce__only_singles_have_no_curve_of_finding_multiples(folder: Path) -> None:
    shutil.rmtree(folder / "figures")
    zarr.open_group(folder / f"{NAME}.zarr", mode="r+")["n_particles"][:] = 1
    rows = reproduce(folder, **TINY)
    assert [row.confusion.multiples for row in rows] == [0, 0]
    assert all(math.isnan(row.roc_auc) for row in rows)
    assert [line["roc_auc"] for line in lines_of(folder)] == ["", ""]
    assert not list(folder.glob("figures/*-detection.png"))
    assert "detection" not in (folder / "reproduction.md").read_text()
    assert len(list(folder.glob("figures/*.png"))) == 5


def test_series__is_every_combination_once_and_small_ones_first() -> None:
    runs = series([2000, 1000, 1000], [0.9, 1.0], ["ideal", "realistic"])
    assert len(set(runs)) == len(runs) == 8
    assert [run.shots for run in runs] == [1000] * 4 + [2000] * 4
    assert runs[0].name == "ideal-1000-0.9"
    assert Case("jitter", 100_000, 0.95).title == "jitter, 100,000 shots, 95:5"


@pytest.mark.usefixtures("nothing_is_made", "undrawn")
def test_command__prints_the_table(run, folder: Path) -> None:
    code, out, err = run("reproduce", folder, *SERIES)
    assert code == 0
    assert "run 1 of 1: ideal, 1,000 shots, 90:10" in err
    for row in read_table(folder, MADE_OF).values():
        assert all(COLUMNS[name](row) in out for name in PRINTED)


def test_print_table__large_runs_are_not_wrapped(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = {"shots": 100_000, "confusion": Confusion(79_999, 10_000, 10_000, 1)}
    rows = [replace(row, **many, seconds=1234.0) for row in read_table(made, MADE_OF).values()]
    print_table(rows, made)
    out = capsys.readouterr().out
    for row in rows:
        assert all(COLUMNS[name](row) in out for name in PRINTED)
    assert "ideal, 100,000, 90:10" in out


@pytest.mark.usefixtures("nothing_is_made", "undrawn")
def test_command__quiet_prints_nothing(run, folder: Path) -> None:
    assert run("reproduce", folder, *SERIES, "--quiet") == (0, "", "")
