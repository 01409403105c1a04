"""What is horizontal in the laboratory, x, is horizontal in every picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from xfeldask import open_run, simulate
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.report.figures import montage

APART = 3e-9
NEAR = 0.04
"""Of the beam [1/angstrom]."""
BEAM = {"photon_energy": 4600.0, "photons_per_pulse": 1e18, "focus_radius": 5e-7}


@pytest.fixture(scope="module", params=["square-128", "pnccd-amo86615"])
def two_along_x(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Atoms at two places beside each other along x: I(s) goes as cos^2(pi s_x APART), whatever s_y is."""
    path = tmp_path_factory.mktemp("axes") / "run.zarr"
    atoms = [[-APART / 2, 0, 0], [APART / 2, 0, 0]] * 100, ["C"] * 200
    upright = np.array([[1.0, 0, 0, 0]])
    simulate(path, particle=atoms, detector=request.param, beam=BEAM, n_shots=1, orientations=upright, progress=False)
    return path


def fringes(image: np.ndarray, y: np.ndarray, x: np.ndarray) -> float:
    """How well the columns of an image near the beam follow the fringes of the two places, from -1 to 1."""
    middle = image[np.abs(y) < NEAR][:, np.abs(x) < NEAR]
    known = np.isfinite(middle) & (middle.sum(axis=0) > 0)
    profile = np.where(known, middle, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    wanted = np.cos(np.pi * x[np.abs(x) < NEAR] * 1e10 * APART) ** 2
    use = known.any(axis=0)
    return float(np.corrcoef(profile[use], wanted[use])[0, 1])


def test_image__has_fringes_along_its_columns(two_along_x: Path) -> None:
    ds = open_run(two_along_x).dataset()
    assert ds.image.dims == ("shot", "y", "x")
    image, y, x = ds.image[0].values, ds.y.values, ds.x.values
    assert fringes(image, y, x) > 0.9
    assert abs(fringes(image.T, x, y)) < 0.5


def test_explorer__draws_the_same(two_along_x: Path) -> None:
    run = open_run(two_along_x)
    pictures, ds = Pictures(run), run.dataset()
    binned = pictures.binned(0)
    assert fringes(binned.values, ds.y.values, ds.x.values) > 0.9
    left, bottom, width, height = binned.extent
    step = width / binned.values.shape[1]
    assert left + step / 2 == pytest.approx(10 * float(ds.x[0]))
    assert left + width - step / 2 == pytest.approx(10 * float(ds.x[-1]))
    assert bottom + height - step / 2 == pytest.approx(10 * float(ds.y[-1]))
    whole = pictures.whole(0)
    (bottom, height), (left, width) = whole.extent[1::2], whole.extent[::2]
    rows, columns = whole.values.shape
    y, x = (
        (bottom + (np.arange(rows) + 0.5) * height / rows) / 10,
        (left + (np.arange(columns) + 0.5) * width / columns) / 10,
    )
    assert fringes(whole.values, y, x) > 0.8


def test_plot__of_one_image_has_axes_in_q(two_along_x: Path) -> None:
    ax = Figure().subplots()
    open_run(two_along_x).dataset().image[0].plot(ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("q along x [angstrom-1]", "q along y [angstrom-1]")
    (low, high), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert low < 0 < high
    assert bottom < 0 < top


def test_montage__names_its_axes_and_lies_the_same_way(two_along_x: Path) -> None:
    ds: xr.Dataset = open_run(two_along_x).dataset(chunks=None)
    ax = montage(ds, columns=1).axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("q along x (1/nm)", "q along y (1/nm)")
    (drawn,) = ax.images
    assert drawn.origin == "lower"
    assert drawn.get_extent()[0] < 0 < drawn.get_extent()[1]
    assert drawn.get_extent()[2] < 0 < drawn.get_extent()[3]
    np.testing.assert_array_equal(np.ma.filled(drawn.get_array(), 0), ds.image[0].values)
