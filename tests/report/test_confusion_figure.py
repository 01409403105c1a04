"""What shots are taken for against the truth, counted and drawn."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from tests.once import Once
from xfeldask import open_run, simulate
from xfeldask.report.confusion_figure import confusion_figure, kinds_matrix, verdict_matrix
from xfeldask.report.run_report import figures
from xfeldask.store.run import Run

PARTICLES = np.array([0, 1, 1, 2, 1, 1])
SPECIES = np.array([-1, 1, 1, 1, 0, 0])
"""The second species is wanted."""


@pytest.fixture(scope="module")
def run(once: Once) -> Run:
    def make(path: Path) -> None:
        atom = [[0, 0, 0], [2e-9, 0, 0]], ["U", "U"]
        simulate(path, particle=atom, detector="square-32", n_shots=5, hits={0: 1, 1: 2}, progress=False)

    return open_run(once("for confusion", make))


class Truth(SimpleNamespace):
    """What is read of a run with truth, of these species."""

    attributes = MappingProxyType({"particle": "protein"})
    experiment = SimpleNamespace(wanted_index=1)

    def __contains__(self, name: str) -> bool:
        return bool(self.species) or name != "species"

    def read(self, name: str) -> np.ndarray:
        return {"n_particles": PARTICLES, "species": np.stack([SPECIES, SPECIES], axis=1)}[name]


def latent(kind: list[int], names: str = "") -> xr.Dataset:
    attributes = {"flag_meanings": f"none {names}"} if names else {}
    return xr.Dataset(
        {"verdict": ("shot", [0, 1, 1, 1, 3, 2]), "kind": ("shot", np.array(kind, np.int8), attributes)},
        coords={"shot": np.arange(6)},
    )


def test_verdict_matrix__counts_by_what_shots_hold() -> None:
    run = Truth(species=["drop", "protein"])
    matrix = verdict_matrix(run, latent([-1] * 6))
    assert matrix.found.values.tolist() == ["blank", "single", "multiple", "other"]
    counts = {str(row.truth.item()): row.values.tolist() for row in matrix}
    assert counts == {"blank": [1, 0, 0, 0], "single": [0, 2, 0, 0], "multiple": [0, 1, 0, 0], "other": [0, 0, 1, 1]}


@pytest.mark.parametrize(
    ("species", "names", "found", "rows"),
    [
        (["drop", "protein"], "drop protein", ["drop", "protein"],
         {"drop": [1, 0], "protein": [0, 2], "multiple": [0, 1]}),
        ([], "", ["kind 0", "kind 1"], {"protein": [1, 2], "multiple": [0, 1]}),
    ],
)  # fmt: skip
def test_kinds_matrix__has_a_row_of_each_species_and_of_what_is_no_single_hit(
    species: list[str], names: str, found: list[str], rows: dict[str, list[int]]
) -> None:
    run = Truth(species=species)
    matrix = kinds_matrix(run, latent([-1, 1, 1, 1, 0, -1], names))
    assert matrix.found.values.tolist() == found
    assert {str(row.truth.item()): row.values.tolist() for row in matrix} == rows


def test_confusion_figure__writes_every_count_once_a_panel() -> None:
    run = Truth(species=["drop", "protein"])
    matrix = verdict_matrix(run, latent([-1] * 6))
    figure = confusion_figure({"one": matrix, "two": matrix})
    for ax in figure.axes[:2]:
        told = sorted(int(text.get_text()) for text in ax.texts)
        assert told == sorted(matrix.values[matrix.values > 0].tolist())
        assert [tick.get_text() for tick in ax.get_yticklabels()] == matrix.truth.values.tolist()


def test_report__draws_the_truth_where_the_store_has_it(run: Run) -> None:
    n = run.n_shots
    sorted_ = xr.Dataset(
        {"verdict": ("shot", np.ones(n, np.uint8)), "is_single": ("shot", np.ones(n, bool))},
        coords={"shot": np.arange(n)},
    )
    assert "verdict and truth" in [title for title, _ in figures(run, sorted_)]
    assert "verdict and truth" not in [title for title, _ in figures(run, None)]
    with_kinds = sorted_.assign(kind=("shot", np.zeros(n, np.int8)))
    assert "kinds and truth" in [title for title, _ in figures(run, with_kinds)]
