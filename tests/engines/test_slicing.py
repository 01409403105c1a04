from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

from xfeldask import open_dataset, simulate
from xfeldask.config import Beam, Experiment
from xfeldask.engines.slicing import Slicing
from xfeldask.errors import InputError
from xfeldask.physics.atoms import make_atoms
from xfeldask.physics.detectors import builtin_geometry, make_geometry
from xfeldask.physics.plan import ShotPlan

pytest.importorskip("skopi")

SEED = 7
# bright enough for some ten photons a pixel
BEAM = Beam(photon_energy=4600, photons_per_pulse=4e18, focus_radius=0.5e-6)
TRUTH = ("n_particles", "orientation", "position", "fluence", "size", "photon_energy", "beam_center", "background")
FIXED = ("q", "solid_angle", "polarization", "assembled_row", "assembled_col", "mask", "atom_position", "shot")


def a_blob(n: int = 60):
    """Carbon in a flat ellipsoid that no turn maps onto itself."""
    position = np.random.default_rng(5).normal(size=(n, 3)) * np.array([2.0, 1.2, 0.6]) * 1e-9
    return make_atoms(position, ["C"] * n)


def run(path: Path, engine: str, **more: Any) -> xr.Dataset:
    arguments: dict[str, Any] = {
        "particle": a_blob(),
        "beam": BEAM,
        "detector": "square-64",
        "n_shots": 6,
        "hits": {0: 0.2, 1: 0.5, 2: 0.3},
        "nuisance": {"pulse_spread": 0.3, "background": 0.1, "dead_fraction": 0.05},
        "photon_dtype": "uint16",
        "intensity": True,
        "seed": SEED,
    }
    return simulate(path, engine=engine, progress=False, **(arguments | more))


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("engines")
    for engine in ("xfeldask", "skopi"):
        run(folder / f"{engine}.zarr", engine)
    return folder / "xfeldask.zarr", folder / "skopi.zarr"


def test_skopi__writes_the_same_layout(both):
    ours, theirs = (zarr.open_group(path, mode="r", use_consolidated=False) for path in both)
    names = [sorted(name for name, _ in group.members(max_depth=None)) for group in (ours, theirs)]
    assert names[0] == names[1]
    assert set(ours.attrs) == set(theirs.attrs)
    for name, array in ours.members(max_depth=None):
        if isinstance(array, zarr.Array):
            # as text, since NaN differs from itself; each tells the run that it is of
            told = [
                str(group[name].metadata.to_dict()).replace(group.attrs["experiment_digest"], "")
                for group in (ours, theirs)
            ]
            assert told[0] == told[1], name


def test_skopi__has_the_same_truth_and_detector(both):
    ours, theirs = (open_dataset(path) for path in both)
    assert sorted(set(ours.n_particles.values)) == [0, 1, 2]
    for name in (*TRUTH, *FIXED):
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_skopi__expects_the_same_photons(both):
    """To the error of skopi's trilinear interpolation."""
    ours, theirs = (open_dataset(path).intensity.values for path in both)
    for mine, its in zip(ours, theirs, strict=True):
        assert np.abs(np.sqrt(mine) - np.sqrt(its)).sum() < 0.02 * np.sqrt(mine).sum()
        assert its.sum() == pytest.approx(mine.sum(), rel=0.02)


def test_skopi__draws_from_what_it_expects(both):
    ds = open_dataset(both[1])
    photons, mean = ds.photons.values.astype(float), ds.intensity.values.astype(float)
    lit = mean > 0
    assert not photons[~lit].any()
    # the mean of n chi-square variates of 1 degree of freedom; 1 / mean is the excess of a Poisson variate
    pearson = ((photons - mean)[lit] ** 2 / mean[lit]).sum()
    spread = np.sqrt((2 + 1 / mean[lit]).sum())
    assert abs(pearson - lit.sum()) < 5 * spread
    for shot in range(len(photons)):
        assert abs(photons[shot].sum() - mean[shot].sum()) < 5 * np.sqrt(mean[shot].sum() + 1)


def test_skopi__photons_resemble_those_of_the_other_engine(both):
    ours, theirs = (open_dataset(path) for path in both)
    single = np.flatnonzero(ours.n_particles.values == 1)
    for shot in single:
        pair = [ds.photons.values[shot].ravel().astype(float) for ds in (ours, theirs)]
        assert np.corrcoef(pair)[0, 1] > 0.9
    first, second = (ours.photons.values[shot].ravel().astype(float) for shot in single[:2])
    assert np.corrcoef([first, second])[0, 1] < 0.9


def test_skopi__totals_and_images_belong_to_its_photons(both):
    ds = open_dataset(both[1])
    np.testing.assert_array_equal(ds.photon_count, ds.photons.sum(["panel", "ss", "fs"]))
    np.testing.assert_array_equal(ds.image, ds.xfel.assemble(ds.photons, gap=0))
    assert not ds.lost_photons.values.any()
    assert (ds.photons.values[:, ds.mask.values == 0] == 0).all()
    assert (ds.shot_status.values == 1).all()


def test_skopi__saturates_and_counts_what_it_lost(both, tmp_path):
    few = {"n_shots": 2, "intensity": False, "photon_dtype": "uint8", "hits": {1: 1}}
    strong = Beam(photon_energy=4600, photons_per_pulse=1e20, focus_radius=0.5e-6)
    ds = run(tmp_path / "full.zarr", "skopi", beam=strong, **few)
    assert int(ds.photons.max()) == 255
    assert (ds.lost_photons > 0).all()
    np.testing.assert_array_equal(ds.photon_count, ds.photons.sum(["panel", "ss", "fs"], dtype="uint32"))


def test_skopi__is_repeatable(both, tmp_path):
    again = run(tmp_path / "again.zarr", "skopi", n_shots=3)
    first = open_dataset(both[1]).isel(shot=slice(3))
    np.testing.assert_array_equal(again.photons, first.photons)
    np.testing.assert_array_equal(again.intensity, first.intensity)


@pytest.mark.parametrize("spread", ["size_spread", "energy_spread", "center_spread"])
def test_skopi__refuses_spreads_that_it_does_not_know(spread, tmp_path):
    with pytest.raises(InputError, match="no spread of size, photon energy or beam centre; set them to 0"):
        run(tmp_path / "no.zarr", "skopi", nuisance={spread: 0.01})
    assert list(tmp_path.iterdir()) == [], "bad input is refused before anything is written"


def test_skopi__missing_is_one_sentence_before_anything_is_written(tmp_path, monkeypatch):
    real = importlib.import_module

    def missing(name: str, *package: str) -> Any:
        if name.split(".")[0] == "skopi":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *package)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(InputError, match=r'^engine="skopi" needs the extra: pip install "xfeldask\[skopi\]"$'):
        run(tmp_path / "no.zarr", "skopi")
    assert list(tmp_path.iterdir()) == [], "bad input is refused before anything is written"


def test_slicing__leaves_masked_pixels_dark():
    plain = builtin_geometry("square-8")
    geometry = make_geometry(plain.pixel_position, plain.pixel_size, np.arange(64).reshape(1, 8, 8) % 5 > 0)
    experiment = Experiment(particle="chaperonin", n_shots=1, beam=BEAM, engine="skopi")
    engine = Slicing(experiment, geometry, a_blob())
    nothing = np.full((1, 1), np.nan)
    blank = ShotPlan(np.zeros(1, np.int16), nothing[..., None].repeat(4, -1), nothing[..., None].repeat(3, -1),
                     nothing, nothing, np.array([4600.0]), np.zeros((1, 2)), np.array([40.0 * 64]))  # fmt: skip
    (frame,) = engine.draw(blank, np.array([3]))
    assert not frame[0][~geometry.mask].any()
    assert frame[0][geometry.mask].mean() == pytest.approx(40, abs=5 * np.sqrt(40 / geometry.mask.sum()))
