from __future__ import annotations

import numpy as np
import pytest

from xfeldask import photonize
from xfeldask.errors import InputError
from xfeldask.physics.adu_peaks import fit_peaks
from xfeldask.physics.photonizing import (
    bad_pixels,
    leveled,
    make_correction,
)

pytestmark = pytest.mark.rounding

SHAPE = (2, 64, 64)
GAIN, NOISE = 125.0, 0.15


def simulated(n=6, seed=1, mean=0.2, shift=0.1):
    """Photons, and the ADU of a pnCCD that counts them: noise, and a level for each half row."""
    rng = np.random.default_rng(seed)
    photons = rng.poisson(mean * np.exp(rng.normal(0, 1, SHAPE)), (n, *SHAPE))
    level = rng.normal(0, shift * GAIN, (n, 2, 64, 2)).repeat(32, axis=-1)
    return photons, photons * GAIN + rng.normal(0, NOISE * GAIN, photons.shape) + level


def slow(adu, gain, dark, block, mask, threshold=0.7):
    """The same after its definition, by numpy's median."""
    values = (np.asarray(adu, float) - dark) / gain
    rows, columns = block
    for frame in values:
        for panel, good in zip(frame, mask, strict=True):
            for i in range(0, panel.shape[0], rows or 10**9):
                for j in range(0, panel.shape[1], columns or 10**9):
                    part, use = panel[i : i + rows, j : j + columns], good[i : i + rows, j : j + columns]
                    level = 0.0
                    for _ in range(4 if rows else 0):
                        dark_ones = part[use & np.isfinite(part) & (np.abs(part - level) < 0.5)]
                        level = np.median(dark_ones) if len(dark_ones) >= 8 else 0.0
                    part -= level
    counted = np.where(values >= threshold, np.maximum(1, np.floor(values + 0.5)), 0)
    return np.where(np.isfinite(values) & mask, counted, 0), values


@pytest.mark.parametrize("mode", ["none", "row", "half_row", "asic"])
def test_photonize__is_its_definition(mode):
    _, adu = simulated(2)
    rng = np.random.default_rng(2)
    gain, dark = GAIN * rng.normal(1, 0.02, SHAPE), rng.normal(3, 2, SHAPE)
    mask = rng.random(SHAPE) < 0.9
    adu[0, 1, 3, 5], adu[1, 0, 0, 0] = np.inf, np.nan
    found = photonize(adu, gain=gain, dark=dark, common_mode=mode, asic=(16, 32), mask=mask)
    block = {"none": (0, 0), "row": (1, 64), "half_row": (1, 32), "asic": (16, 32)}[mode]
    due, values = slow(adu, gain, dark, block, mask)
    # where the level differs by what a bin is wide, a value at an edge may go the other way
    assert (found.photons != due).mean() < 2e-3
    assert np.argwhere(found.bad).tolist() == [[0, 1, 3, 5], [1, 0, 0, 0]]
    inside = values[np.isfinite(values) & mask]
    assert abs(found.histogram.sum() - ((inside >= -2) & (inside < 6)).sum()) < 5


def test_photonize__loses_and_invents_few_photons():
    photons, adu = simulated(20)
    found = photonize(adu, gain=GAIN, common_mode="half_row").photons.astype(int)
    assert np.maximum(photons - found, 0).sum() < 0.02 * photons.sum()
    assert np.maximum(found - photons, 0).sum() < 1e-4 * photons.size + 4 * np.sqrt(1e-4 * photons.size)


def test_levels__of_bright_rows_are_those_of_their_dark_pixels():
    photons, adu = simulated(4, mean=1.0)
    assert (photons > 0).mean() > 0.5
    correction = make_correction(SHAPE, GAIN, common_mode="half_row")
    left = np.stack([leveled(frame, correction, np.ones(SHAPE, bool)) for frame in adu])
    levels = (left - photons).reshape(4, 2, 64, 2, 32).mean(axis=-1)
    assert levels.std() < 0.07
    assert abs(levels.mean()) < 0.02


def test_groups__that_are_dark_nowhere_stay_as_they_are():
    found = photonize(np.full((1, 1, 1, 40), 30 * GAIN), gain=GAIN, common_mode="row")
    assert (found.photons == 30).all()


def test_peaks__tell_a_wrong_gain():
    _, adu = simulated(20, shift=0)
    right = fit_peaks(photonize(adu, gain=GAIN).histogram)
    assert right.zero == pytest.approx(0, abs=0.01)
    assert right.one == pytest.approx(1, abs=0.01)
    assert (right.zero_width, right.one_width) == pytest.approx((NOISE, NOISE), rel=0.05)
    assert fit_peaks(photonize(adu, gain=1.2 * GAIN).histogram).one == pytest.approx(1 / 1.2, abs=0.02)


def test_bad_pixels__are_found_by_what_photons_cannot_do():
    _, adu = simulated(20)
    adu[:, 0, 3, 4], adu[::3, 1, 5, 6], adu[4, 1, 7, 8] = np.inf, -2 * GAIN, -2 * GAIN
    correction = make_correction(SHAPE, GAIN, common_mode="half_row")
    found = bad_pixels(adu, correction, np.ones(SHAPE, bool))
    assert np.argwhere(found).tolist() == [[0, 3, 4], [1, 5, 6]]


def test_pixels_of_no_gain_or_dark__are_bad_and_the_others_as_ever():
    _, adu = simulated(5)
    gain, dark = np.full(SHAPE, GAIN), np.zeros(SHAPE)
    gain[0, 3, 4], gain[0, 3, 5], gain[1, 0, 0], gain[1, 0, 1] = np.nan, 0, -1, np.inf
    dark[1, 5, 6], dark[1, 5, 7] = np.nan, -np.inf
    adu[0, 1, 5, 6] = adu[1, 1, 5, 7] = -np.inf
    dead = (np.isfinite(dark) & (gain > 0) & (gain < np.inf)) == 0
    assert dead.sum() == 6
    correction = make_correction(SHAPE, gain, dark, "half_row")
    found = photonize(adu, gain=gain, dark=dark, common_mode="half_row")
    due = photonize(adu, gain=GAIN, common_mode="half_row", mask=~dead)
    np.testing.assert_array_equal(found.photons, due.photons)
    np.testing.assert_array_equal(found.histogram, due.histogram)
    assert (found.bad == dead).all()
    np.testing.assert_array_equal(bad_pixels(adu, correction, np.ones(SHAPE, bool)), dead)


def test_real_frames__are_as_clean_as_their_noise(shared):
    adu = np.load(shared / "data/real/pr772_adu10.npy")[:, None]
    with np.load(shared / "data/real/pr772_adu_masks.npz") as masks:
        mask = (masks["gap"] == 0)[None] & (masks["artifact"] == 0)[None]
    correction = make_correction((1, 260, 257), 8.0, common_mode="half_row")
    mask &= ~bad_pixels(adu, correction, mask)
    found = photonize(adu, gain=8.0, common_mode="half_row", mask=mask)
    assert found.bad.sum() == 2
    peaks = fit_peaks(found.histogram)
    # a half row of little light has no photon below its median: what is there is noise alone
    dim = np.where(mask[0], adu[[0, 2, 5, 8, 9], 0], np.nan)[:, :60]
    rows = np.concatenate([dim[..., :129].reshape(-1, 129), dim[..., 128:].reshape(-1, 129)])
    below = rows - np.nanmedian(np.where(np.abs(rows) < 4, rows, np.nan), axis=1, keepdims=True)
    floor = np.median(-below[below < 0]) / 0.6745 / 8.0
    assert peaks.zero_width == pytest.approx(floor, rel=0.1)
    assert peaks.one == pytest.approx(1, abs=0.04)
    left = np.stack([leveled(frame, correction, mask) for frame in adu])
    dark = np.where(mask & (np.abs(left) < 0.5), left, np.nan)[:, 0, :80]
    assert np.abs(np.nanmedian(dark, axis=2)).max() < 0.1 * peaks.zero_width + 0.02


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"gain": 0}, "the gain is the ADU of a photon, finite and positive, got 0.0"),
        ({"gain": np.nan}, "finite and positive, got nan"),
        ({"gain": np.zeros(SHAPE)}, "no pixel has a finite, positive gain and a finite dark"),
        ({"dark": np.inf}, "the dark is the ADU of no photon and finite, got inf"),
        ({"gain": np.ones(3)}, r"the gain has the shape \(3,\)"),
        ({"gain": np.ones((2, 32, 128))}, r"the gain has the shape \(2, 32, 128\)"),
        ({"dark": np.zeros((2, 128, 32))}, r"the dark has the shape \(2, 128, 32\)"),
        ({"dark": np.zeros((64, 2, 64))}, r"the dark has the shape \(64, 2, 64\)"),
        ({"mask": np.ones((128, 2, 32), bool)}, r"the mask has the shape \(128, 2, 32\), the detector \(2, 64, 64\)"),
        ({"dark": np.full((2, 64, 64), np.nan)}, "no pixel has a finite, positive gain and a finite dark"),
        ({"common_mode": "column"}, "common_mode is one of none, row, half_row, asic, got 'column'"),
        ({"common_mode": "asic"}, "needs their rows and columns"),
        ({"threshold": 1.5}, "threshold above 0 and up to 1"),
    ],
)
def test_photonize__refuses_in_one_sentence(more, told):
    with pytest.raises(InputError, match=told):
        photonize(np.zeros((1, *SHAPE)), **({"gain": GAIN} | more))
    with pytest.raises(InputError, match="give frames"):
        photonize(np.zeros(SHAPE), gain=1)
