"""Kernels given what cannot be: they end, and read no grid outside; and the ends of what a laboratory has."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from scipy import stats

from xfeldask import simulate
from xfeldask.config import Experiment, Hits, Nuisance
from xfeldask.engines.preparation import prepare
from xfeldask.errors import InputError, MemoryNeededError
from xfeldask.formats.inputs import resolve
from xfeldask.physics.atoms import make_atoms
from xfeldask.physics.detectors import R_E, square, wavelength
from xfeldask.physics.draws import Stream, poisson, stream_key
from xfeldask.physics.forward import Margins, largest_s, make_forward_model
from xfeldask.physics.jit import kernel
from xfeldask.physics.plan import plan_shots, strongest_pulse
from xfeldask.physics.planned_shots import shots_of_plan
from xfeldask.physics.scattering import Shot
from xfeldask.physics.volume import build_volume, interpolate

NUMBERS = [np.nan, np.inf, -np.inf, 1e300, -1e300, -1.0, 5e-324]
ATOMS = make_atoms(np.random.default_rng(1).normal(size=(20, 3)) * 1e-9, ["C", "O"] * 10).centered()
LAMBDA = wavelength(4600.0)


def shot_of(**changes):
    usual = Shot(np.eye(3)[None], np.zeros((1, 3)), np.array([1e8 * R_E]), np.ones(1), 1 / LAMBDA, np.zeros(2), 0.0,
                 np.uint64(3), np.zeros(1, np.int64))  # fmt: skip
    return usual._replace(**changes)


def model_of(geometry, margins=None):
    margins = margins or Margins()
    volume = build_volume(ATOMS, largest_s(geometry, LAMBDA, margins))
    return make_forward_model(volume, geometry, LAMBDA, margins)


@kernel
def picked(values, at):
    return values[at]


@pytest.mark.skipif(not numba.config.BOUNDSCHECK, reason="bounds are checked by `make bounds`")
def test_kernel__that_indexes_outside_ends_in_an_error_where_bounds_are_checked():
    with pytest.raises(IndexError):
        picked(np.zeros(3), 3)


@pytest.fixture(scope="module")
def model():
    return model_of(square(8, 2e-3, 0.1))


@pytest.mark.parametrize("number", NUMBERS)
def test_interpolate__reads_no_grid_outside_whatever_it_is_asked(number):
    volume = build_volume(ATOMS, 1e9)
    for axis in range(3):
        s = np.zeros((5, 3))
        s[:, axis] = number
        with np.errstate(over="ignore"):
            assert interpolate(volume, s).shape == (5,)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", ["rotation", "position", "strength", "size", "center"])
def test_draw__ends_whatever_a_shot_is(model, name, number):
    changed = np.full_like(getattr(shot_of(), name), number)
    pixel, count = model.draw(shot_of(**{name: changed}))
    assert len(pixel) == len(count)
    assert (pixel < 64).all()


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", ["wavenumber", "background"])
def test_draw__ends_whatever_a_number_of_a_shot_is(model, name, number):
    pixel, _ = model.draw(shot_of(**{name: number}))
    assert (pixel < 64).all()


@pytest.mark.parametrize("mean", [np.nan, np.inf, 1e300])
def test_poisson__of_no_mean_ends(mean):
    assert poisson(np.uint64(1), mean)[1] == 0


@pytest.mark.parametrize(
    ("pixels", "size", "distance", "margins"),
    [
        (4, 2e-2, 1e-3, Margins()),  # the largest pixels, and the nearest
        (4, 2e-2, 1e-3, Margins(center=5e-3)),
        (1, 1e-3, 0.1, Margins()),
        (2, 1e-6, 20.0, Margins()),
        (6, 1e-3, 2e-3, Margins(center=3e-3)),
    ],
)
def test_draw__has_the_expected_mean_at_the_ends_of_geometries(pixels, size, distance, margins):
    model = model_of(square(pixels, size, distance), margins)
    shot = shot_of()
    bright = shot_of(strength=shot.strength * np.sqrt(8 / model.expected(shot).sum()))
    total, n = np.zeros(pixels * pixels), 400
    for key in stream_key(5, Stream.PHOTONS, np.arange(n)):
        np.add.at(total, *model.draw(bright._replace(key=key)))
    mean = n * model.expected(bright).ravel().astype(float)
    seen = mean > 5
    assert stats.chi2(seen.sum()).sf(((total - mean)[seen] ** 2 / mean[seen]).sum()) > 1e-4


def test_shots_of_plan__refuse_truth_that_cannot_be():
    e = Experiment(particle="chaperonin", n_shots=9, hits={"weights": {1: 1, 2: 1}})
    shots = np.arange(40, 49)
    plan = plan_shots(e, 1e-3, shots)
    geometry = square(4, 1e-3, 0.1)
    assert len(shots_of_plan(plan, 0, shots, geometry).key) == 9
    for name, number in [("orientation", np.nan), ("position", np.inf), ("fluence", -1.0), ("size", 0.0),
                         ("photon_energy", np.nan), ("photon_energy", 0.0), ("beam_center", np.inf),
                         ("background", -1.0), ("n_particles", 7)]:  # fmt: skip
        value = getattr(plan, name).copy()
        value[3] = number
        with pytest.raises(InputError, match="the truth of shot 43 holds numbers that cannot be"):
            shots_of_plan(replace(plan, **{name: value}), 0, shots, geometry)


def test_plan__of_the_smallest_spreads_is_that_of_none():
    assert strongest_pulse(5e-324) == 1.0
    shots = np.arange(20)
    tiny, none = (
        plan_shots(Experiment(particle="chaperonin", n_shots=20, nuisance=Nuisance(pulse_spread=s)), 1e-3, shots)
        for s in (5e-324, 0.0)
    )
    np.testing.assert_array_equal(tiny.fluence, none.fluence)


def test_hits__refuse_weights_whose_sum_is_beyond_numbers():
    assert sum(Hits(weights={1: 1e12, 2: 1e12}).probabilities()) == 1
    with pytest.raises(InputError, match="weights"):
        Hits(weights={1: 1e308, 2: 1e308})


@pytest.mark.parametrize("detector", ["square-1", "square-2", "square-3"])
def test_simulate__of_few_pixels_is_done(tmp_path, detector):
    particle = (ATOMS.position, ATOMS.element)
    ds = simulate(tmp_path / "a.zarr", particle=particle, detector=detector, n_shots=2, progress=False)
    assert ds.photons.shape[0] == 2


def test_prepare__refuses_more_shots_than_their_index_fits_into_memory(monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=10**9))
    with pytest.raises(MemoryNeededError, match=r"the index of 1,000,000,000 shots needs 16\.0 GB"):
        prepare(resolve(Experiment(particle="chaperonin", n_shots=10**9)))
