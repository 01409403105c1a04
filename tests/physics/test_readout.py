"""Photons that are counted are those that a detector drawn pixel by pixel gives, in distribution."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests import oracles
from xfeldask import photonize
from xfeldask.config import RESPONSES, Response
from xfeldask.errors import InputError
from xfeldask.physics.detectors import make_geometry, square
from xfeldask.physics.draws import normal_tail
from xfeldask.physics.images import photons_of_frames
from xfeldask.physics.readout import make_readout

pytestmark = pytest.mark.rounding

ENERGY = 4600.0
N = 64
SQUARE = square(N, 75e-6, 0.1)
NOISY = {"adu_per_kev": 1250.0, "noise": 0.22 * ENERGY}
RESPONSES_ASKED = {
    "noise": NOISY,
    "sharing": {"adu_per_kev": 1250.0, "noise": 0.05 * ENERGY, "cloud": 12e-6, "gain_spread": 0.05},
    "levels": {
        "adu_per_kev": 1250.0,
        "noise": 0.18 * ENERGY,
        "cloud": 8e-6,
        "common_mode": "row",
        "common_mode_spread": 0.08 * ENERGY,
    },
    "full": {"adu_per_kev": 1250.0, "noise": 0.1 * ENERGY, "cloud": 8e-6, "saturation": 1.8 * ENERGY},
    "wide": {"adu_per_kev": 1250.0, "noise": 0.3 * ENERGY, "cloud": 24e-6, "threshold": 0.5},
}


def photons_seen(shots=120, seed=1, mean=0.03):
    """Frames with a bright side, of which some pixels hold several photons."""
    rng = np.random.default_rng(seed)
    rate = mean * np.geomspace(0.2, 20, N) * np.ones((1, N, 1))
    return rng.poisson(rate, (shots, 1, N, N))


def through(readout, frames, energy=ENERGY):
    """Frames as they are counted."""
    out = np.zeros(frames.shape, int)
    for shot, (pixel, count) in enumerate(photons_of_frames(frames)):
        if readout.adu:
            out[shot] = readout.photonized(readout.frame(pixel, count, shot, energy))
        else:
            place, counted = readout.counts(pixel, count, shot, energy)
            assert len(np.unique(place)) == len(place)
            assert (counted > 0).all()
            out[shot].reshape(-1)[place] = counted
    return out


def of_twin(frames, asked, readout, seed=3):
    """The same by drawing every pixel with numpy, and photonizing what comes of it."""
    gain = readout.pixels.gain.reshape(readout.pixels.shape)
    adu = oracles.read_out(frames, asked, SQUARE.pixel_size, ENERGY, gain, np.random.default_rng(seed))
    photon = asked.adu_per_kev * ENERGY / 1000
    return photonize(adu, gain=photon, common_mode=asked.common_mode, threshold=asked.threshold).photons.astype(int)


@pytest.mark.parametrize("adu", [False, True])
@pytest.mark.parametrize("kind", RESPONSES_ASKED)
def test_counts__are_distributed_as_those_of_every_pixel_drawn(kind, adu):
    asked = Response(**RESPONSES_ASKED[kind], adu=adu)
    readout = make_readout(asked, SQUARE, 5, ENERGY)
    # where a good part of a row is lit its level is found too high, which only the frame knows
    frames = photons_seen(mean=0.002 if asked.common_mode_spread and not adu else 0.03)
    mine, theirs = through(readout, frames), of_twin(frames, asked, readout)
    padded = np.pad(frames > 0, ((0, 0), (0, 0), (1, 1), (1, 1)))
    beside = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3)).any(axis=(-2, -1)) & (frames == 0)
    # alone, beside a photon, under one and under two: how often is how much counted there?
    for where in (~beside & (frames == 0), beside, frames == 1, frames == 2):
        table = np.array([np.bincount(np.minimum(some[where], 3), minlength=4) for some in (mine, theirs)])
        table = table[:, table.sum(axis=0) >= 10]
        assert table.shape[1] < 2 or stats.chi2_contingency(table).pvalue > 1e-3, table
    # and how much in all of a shot, where neighbours share what is one photon's?
    difference = mine.sum(axis=(1, 2, 3)) - theirs.sum(axis=(1, 2, 3))
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(difference))
    assert stats.ks_2samp(mine.sum(axis=(1, 2, 3)), theirs.sum(axis=(1, 2, 3))).pvalue > 1e-3
    # and where? a column has one rate, rows are alike
    each = [some.sum(axis=(0, 1, 2)) for some in (mine, theirs)]
    z = (each[0] - each[1]) / np.sqrt(each[0] + each[1] + 1)
    assert (z**2).sum() < stats.chi2(N).ppf(0.999)


def test_false_photons__are_as_many_as_the_tail_says_anywhere():
    readout = make_readout(Response(noise=0.2 * ENERGY), SQUARE, 5, ENERGY)
    shots, due = 1500, N * N * stats.norm.sf(0.7 / 0.2)
    none = np.empty(0, np.uint32), np.empty(0, np.int64)
    found = [readout.counts(*none, shot, ENERGY) for shot in range(shots)]
    number = np.array([len(place) for place, _ in found])
    assert abs(number.mean() - due) < 4 * np.sqrt(due / shots)
    assert abs(number.var() / due - 1) < 4 * np.sqrt(2 / shots)
    place = np.concatenate([place for place, _ in found])
    assert stats.kstest(place / (N * N), "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(number[1:], number[:-1])[0, 1]) < 4 / np.sqrt(shots)


def test_photons__of_a_noise_of_0_15_are_lost_and_invented_seldom():
    """Of ADU of the pnCCD, with the levels that it has and without charge that is shared."""
    asked = Response(preset="pnccd", noise=0.15 * ENERGY, cloud=0.0, gain_spread=0.0, common_mode_spread=0.1 * ENERGY)
    readout = make_readout(asked, SQUARE, 5, ENERGY)
    rng = np.random.default_rng(1)
    frames = rng.poisson(0.2 * np.exp(rng.normal(0, 1, (N, N))), (40, 1, N, N))
    read = [readout.frame(*event, shot, ENERGY) for shot, event in enumerate(photons_of_frames(frames))]
    found = photonize(read, gain=1250 * ENERGY / 1000, common_mode="half_row").photons.astype(int)
    assert np.maximum(frames - found, 0).sum() < 0.02 * frames.sum()
    assert np.maximum(found - frames, 0).sum() < 1e-4 * frames.size + 4 * np.sqrt(1e-4 * frames.size)
    sparse = through(make_readout(asked, SQUARE, 5, ENERGY), frames)
    assert np.maximum(frames - sparse, 0).sum() < 0.02 * frames.sum()
    assert np.maximum(sparse - frames, 0).sum() < 1e-4 * frames.size + 4 * np.sqrt(1e-4 * frames.size)


def test_counts__of_a_shot_depend_on_nothing_but_seed_and_shot():
    asked = Response(preset="pnccd", noise=0.25 * ENERGY, hot_fraction=0.01)
    listed = list(photons_of_frames(photons_seen(40)))
    one, other = (make_readout(asked, SQUARE, 5, ENERGY) for _ in range(2))
    alone = [one.counts(*event, shot, ENERGY) for shot, event in enumerate(listed)]
    with ThreadPoolExecutor(4) as pool:
        order = np.random.default_rng(1).permutation(40).tolist()
        found = dict(zip(order, pool.map(lambda shot: other.counts(*listed[shot], shot, ENERGY), order), strict=True))
    for shot, (place, counted) in enumerate(alone):
        np.testing.assert_array_equal(found[shot][0], place)
        np.testing.assert_array_equal(found[shot][1], counted)
    again = make_readout(asked, SQUARE, 6, ENERGY).counts(*listed[0], 0, ENERGY)
    assert len(again[0]) != len(alone[0][0]) or (again[0] != alone[0][0]).any()


@given(
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 5)), max_size=20),
    st.sampled_from([0.0, 8e-6, 24e-6]),
    st.booleans(),
)
def test_counts__without_noise_are_no_more_than_what_came(events, cloud, adu):
    mask = np.ones((2, 2, 3), bool)
    mask[0, 1, 1] = False
    position = np.concatenate([np.indices((2, 2, 3))[1:] * 75e-6, np.full((1, 2, 2, 3), 0.1)]).transpose(1, 2, 3, 0)
    readout = make_readout(Response(cloud=cloud, adu=adu), make_geometry(position, 75e-6, mask), 5, ENERGY)
    pixel, count = (np.array([event[k] for event in events], kind) for k, kind in enumerate(("u4", "i8")))
    if adu:
        counted = readout.photonized(readout.frame(pixel, count, 3, ENERGY)).ravel().astype(int)
    else:
        counted = np.zeros(12, int)
        place, n = readout.counts(pixel, count, 3, ENERGY)
        counted[place] = n
    ideal = np.bincount(pixel, count, 12).astype(int) * mask.ravel()
    assert counted[4] == 0
    if cloud == 0:
        np.testing.assert_array_equal(counted, ideal)
    # no charge goes from a panel to another; half a photon in each pixel may be rounded up
    for panel in (slice(0, 6), slice(6, 12)):
        assert counted[panel].sum() <= 1.5 * ideal[panel].sum()


def test_pixels__that_are_blind_or_hot_are_so_in_every_shot():
    asked = Response(dead_fraction=0.1, hot_fraction=0.05, noise=0.02 * ENERGY)
    readout = make_readout(asked, SQUARE, 5, ENERGY)
    known = readout.variables()
    blind, hot = known["pixel_gain"] == 0, known["hot_pixel"] == 1
    assert blind.mean() == pytest.approx(0.1, abs=0.02)
    assert hot.mean() == pytest.approx(0.05, abs=0.015)
    counted = through(readout, np.ones((400, 1, N, N), int))
    assert not counted[:, blind].any()
    assert (counted[:, ~blind & ~hot] == 1).all()
    dark = through(readout, np.zeros((400, 1, N, N), int))
    assert not dark[:, ~hot | blind].any()
    # a photon on average, exponential, counted from 0.7
    seen = (dark[:, hot & ~blind] > 0).mean()
    assert seen == pytest.approx(np.exp(-0.7), abs=4 * np.sqrt(0.25 / dark[:, hot & ~blind].size))


def test_pulse__of_twice_the_energy_reads_twice_as_much():
    frames = photons_seen(5)
    for adu in (False, True):
        readout = make_readout(Response(adu=adu, saturation=3 * ENERGY), SQUARE, 5, ENERGY)
        np.testing.assert_array_equal(through(readout, frames, 2 * ENERGY), np.minimum(2 * frames, 3))


def test_frame__is_in_adu_of_a_kev():
    readout = make_readout(Response(adu_per_kev=100.0, gain_spread=0.1), SQUARE, 5, ENERGY)
    gain = readout.variables()["pixel_gain"]
    assert gain.std() == pytest.approx(0.1, rel=0.05)
    frames = photons_seen(1)
    adu = readout.frame(*next(iter(photons_of_frames(frames))), 0, ENERGY)
    np.testing.assert_array_equal(adu, np.floor(frames[0] * gain.astype(float) * 460 + 0.5))
    assert adu.dtype == np.int32


def test_frame__beyond_whole_numbers_of_32_bits_is_full():
    readout = make_readout(Response(noise=1e9, adu_per_kev=1e6), SQUARE, 5, ENERGY)
    adu = readout.frame(np.empty(0, np.uint32), np.empty(0, np.int64), 0, ENERGY)
    assert {adu.min(), adu.max()} == {-(2**31 - 1), 2**31 - 1}
    assert (adu > 0).mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", RESPONSES)
def test_preset__counts_most_photons_and_invents_few(name):
    geometry = square(N, {"agipd": 200e-6, "epix10k": 100e-6}.get(name, 75e-6), 0.1)
    readout = make_readout(Response(preset=name), geometry, 5, 9000.0)
    frames = photons_seen(20)
    kept = through(readout, frames, 9000.0).sum() / frames.sum()
    assert 0.75 < kept < 1.01


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"cloud": 30e-6}, "3e-05 m is more than a third of a pixel of 7.5e-05 m"),
        ({"common_mode": "row", "common_mode_spread": 800.0}, "more than an eighth of a photon of 4600 eV"),
        ({"adu_per_kev": 0.2}, "0.2 ADU of a keV are 0.92 ADU of a photon"),
    ],
)
def test_readout__that_cannot_be_is_refused(asked, told):
    with pytest.raises(InputError, match=told):
        make_readout(Response(**asked), SQUARE, 5, ENERGY)


@pytest.mark.parametrize(("pixel", "count"), [(N * N, 1), (3, -1)])
def test_event__that_cannot_be_is_refused_and_leaves_nothing(pixel, count):
    readout = make_readout(Response(cloud=8e-6), SQUARE, 5, ENERGY)
    with pytest.raises(InputError, match=f"put {count} photons into pixel {pixel}"):
        readout.counts(np.array([7, pixel], np.uint32), np.array([50, count]), 0, ENERGY)
    assert not len(readout.counts(np.empty(0, np.uint32), np.empty(0, np.int64), 0, ENERGY)[0])


def test_normal_tail__is_that_of_the_normal_distribution():
    z = np.linspace(0, 36, 2000)
    np.testing.assert_allclose([normal_tail(value) for value in z], stats.norm.sf(z), rtol=2e-8)
    assert normal_tail(40.0) == 0
