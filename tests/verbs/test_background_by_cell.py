"""Backgrounds that differ between memory cells, and weights of shots that are given."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from tests.formats.emc_writer import write_vlen
from tests.oracles import own_background
from xfeldask import find_background, ingest, open_run, verify
from xfeldask.cli import commands
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.provenance import parameters
from xfeldask.orient.sparse import pixels_of
from xfeldask.report.run_report import figures
from xfeldask.sorting.pairs.networks import PairNetworks
from xfeldask.sorting.pairs.rule import PairRule
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.choosing.learning_shots import StoredShots
from xfeldask.verbs import known_background
from xfeldask.work.reconstructing import read_frames

SIDE, N, BLANK = 32, 600, 360
CELLS = (5, 9, 30)
CELL = np.array(CELLS)[np.arange(N) % 3]
RADIUS = np.hypot(*(np.indices((SIDE, SIDE)) - 15.5))
RING = {
    cell: np.exp(-((RADIUS - at) ** 2) / 6) * level
    for cell, at, level in zip(CELLS, (7, 9, 12), (1, 2, 0.7), strict=True)
}
WEIGHT = np.random.default_rng(2).gamma(4, 0.25, N)
FLUENCE = np.where(np.arange(N) < BLANK, 0, np.random.default_rng(3).gamma(5, 0.5, N))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of p2145's layout: each cell has a ring of its own, and the first shots are blank."""
    path = tmp_path_factory.mktemp("cells")
    due = WEIGHT[:, None, None] * np.stack([RING[cell] for cell in CELL])
    due += FLUENCE[:, None, None] * np.exp(-((RADIUS / 4) ** 2))
    write_vlen(path / "run.h5", np.random.default_rng(1).poisson(due).reshape(N, -1))
    with h5py.File(path / "run.h5", "r+") as file:
        for name, values in (("trains", np.arange(N) // 3), ("cells", CELL), ("pulses", CELL * 2)):
            file[f"id/{name}"] = values
        file["scores/weighting"] = 3 * WEIGHT
    ingest(path / "run.h5", path / "run.zarr", geometry=f"square-{SIDE}", wavelength=2.7e-10, progress=False)
    return path / "run.zarr"


@pytest.fixture
def run(made):
    return made


def measured(run, **how):
    return find_background(run, where=f"shot < {BLANK}", overwrite=True, progress=False, **how)


def test_by__measures_each_cell_on_its_own_blanks(run):
    found = measured(run, by="cell")
    assert found.cell_value.values.tolist() == list(CELLS)
    assert np.array(CELLS)[found.background_cell.values].tolist() == CELL.tolist()
    of = {cell: (cell == CELL) & (np.arange(N) < BLANK) for cell in CELLS}
    for cell, image in zip(CELLS, found.cell_image.values, strict=True):
        due = RING[cell] * WEIGHT[of[cell]].mean()
        near, far = (abs(image - other).sum() for other in (due, found["image"].values))
        # a quarter of each is as if seen of all cells together, 30 blanks of 150
        assert near < 0.4 * far
    own = own_background(open_run(run).known_background, "image", np.arange(N))
    due = WEIGHT[:, None, None] * np.stack([RING[cell] for cell in CELL])
    blank = np.arange(N) < BLANK
    assert np.corrcoef(own.sum(axis=(1, 2))[blank], due.sum(axis=(1, 2))[blank])[0, 1] > 0.98
    assert np.corrcoef(own.sum(axis=(1, 2))[~blank], due.sum(axis=(1, 2))[~blank])[0, 1] > 0.8


def test_weights__of_a_column_are_taken_as_they_are(run):
    found = measured(run, weights="weighting")
    np.testing.assert_allclose(found.background_weight.values, WEIGHT / WEIGHT.mean(), rtol=1e-5)
    photons = open_run(run).read("image")[:BLANK].sum(axis=0)
    np.testing.assert_allclose(found["image"].values, photons / (WEIGHT[:BLANK] / WEIGHT.mean()).sum(), rtol=1e-5)


def test_given__are_indexed_by_the_column_and_weighted_by_a_file(run, tmp_path):
    stack = np.zeros((31, SIDE, SIDE))
    for cell in CELLS:
        stack[cell] = RING[cell]
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["data_white"] = stack
    np.save(tmp_path / "weights.npy", WEIGHT)
    asked = f"{tmp_path}/run.h5:/data_white", "--by", "cell", "--weights", str(tmp_path / "weights.npy"), "--overwrite"
    told = CliRunner().invoke(commands, ["background", str(run), *asked], catch_exceptions=False)
    assert told.exit_code == 0
    assert "in 3 backgrounds by cell" in told.stdout
    known = open_run(run).known_background
    np.testing.assert_allclose(known.cells.image, [RING[cell] for cell in CELLS], rtol=1e-6)
    due = np.stack([RING[cell] for cell in CELL]) * (WEIGHT / WEIGHT.mean())[:, None, None]
    np.testing.assert_allclose(own_background(known, "image", np.arange(N)), due, rtol=1e-5)
    np.testing.assert_allclose(known.image, due.mean(axis=0), rtol=1e-4)


@pytest.mark.parametrize("images", ["image", "low_q"])
def test_frames__have_the_background_of_their_own_cell_within_any_radius(run, images):
    """One cell has all of its background near the beam, the others far from it."""
    stack = np.stack([RADIUS < 5 if cell == CELLS[0] else RADIUS > 9 for cell in range(31)]).astype(float)
    find_background(run, stack, by="cell", weights=WEIGHT, overwrite=True, progress=False)
    opened, shots = open_run(run), np.array([3, 4, 8, 300])
    pixels = pixels_of(opened.geometry, opened.wavelength, images)
    background = read_frames(opened, shots, pixels, images, opened.known_background, False).background
    due = own_background(opened.known_background, images, shots).reshape(4, -1)[:, pixels.index]
    for m in (20, len(pixels.index)):
        np.testing.assert_allclose(background.photons(m), due[:, :m].sum(axis=1), rtol=1e-4)
        np.testing.assert_allclose(background.expected(m), due[:, :m].sum(axis=0), rtol=1e-4)
    np.testing.assert_array_equal(background[np.array([3])].photons(20), background.photons(20)[3:])
    assert (background.photons(20) > 0).tolist() == [True, False, False, True]


def test_profiles__may_be_given_for_each_cell(run):
    profile = np.array([[0.0, 2.0], [1.0, 2.0]])
    stack = np.stack([profile * (1, cell + 1) for cell in range(31)])
    found = find_background(run, stack, by="cell", overwrite=True, progress=False)
    np.testing.assert_allclose(found.cell_image.values[:, 0, 0], [2.0 * (cell + 1) for cell in CELLS])


def test_rule__draws_over_the_mean_of_the_cells(run, monkeypatch):
    found = measured(run, by="cell")
    seen = []
    monkeypatch.setattr(PairNetworks, "fit", lambda *given: seen.append(given[-1]))
    PairRule().fit(StoredShots(open_run(run), N))
    share = np.bincount(found.background_cell.values) / N
    np.testing.assert_allclose(seen[0], np.tensordot(share, found.cell_low_q.values, 1), rtol=1e-5)


def test_cells__are_told_everywhere(run):
    measured(run, by="cell")
    told = CliRunner().invoke(commands, ["inspect", str(run)], catch_exceptions=False).stdout
    assert "3 backgrounds by cell" in " ".join(told.replace("│", " ").split())
    drawn = dict(figures(open_run(run), None))["radial profiles"].axes[0]
    assert [text.get_text() for text in drawn.get_legend().get_texts()][-1] == "least to most by cell"
    photons = parameters(Session(run))["background"]["photons by cell"]
    assert list(photons) == ["5", "9", "30"]
    assert photons["5"].endswith("in 200 shots")
    assert "background_cell" in Shots.of(open_run(run)).names()
    assert verify(run, progress=False).ok


def test_by__of_too_many_values_is_refused_for_given_backgrounds_too(run, monkeypatch):
    monkeypatch.setattr(known_background, "MOST_CELLS", 2)
    with pytest.raises(InputError, match="cell has 3 values, and 2 backgrounds can be told apart at most; name a"):
        find_background(run, np.ones((31, SIDE, SIDE)), by="cell", overwrite=True, progress=False)


@pytest.mark.parametrize(
    ("how", "error", "told"),
    [
        ({"by": "nothing"}, UnknownNameError, "nothing"),
        ({"by": "weighting"}, InputError, "by names a column of whole numbers from 0 on"),
        ({"by": "shot"}, InputError, "shot has 600 values in 600 shots; .* 90 shots or more of a value on average"),
        ({"weights": np.ones(7)}, InputError, "one for each of 600 shots, got 7"),
        ({"weights": np.zeros(N)}, InputError, "are all 0"),
        ({"weights": -np.ones(N)}, InputError, "from 0 on"),
        ({"weights": (np.arange(N) >= BLANK) * 1.0}, InputError, "are 0 in all blanks"),
        ({"source": np.ones((6, SIDE, SIDE)), "by": "cell"}, InputError, "an array holds 6 backgrounds, and cell goes"),
        ({"source": np.ones((31, 5, 5)), "by": "cell"}, InputError, r"images \(cell, 1, 32, 32\) or profiles"),
    ],
)
def test_what_cannot_be__is_refused(run, how, error, told):
    where = {} if "source" in how else {"where": f"shot < {BLANK}"}
    with pytest.raises(error, match=told):
        find_background(run, overwrite=True, progress=False, **where, **how)
