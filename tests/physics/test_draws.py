from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from tests import oracles
from tests.strategies import seeds
from xfeldask.physics.draws import (
    GOLDEN,
    Stream,
    exponential,
    gamma,
    mix,
    normal_quantile,
    part_key,
    poisson,
    stream_key,
    uniform,
    unit,
)

pytestmark = pytest.mark.rounding

streams = st.sampled_from(Stream)
shots = st.integers(0, 10**9)


def words(state: int, n: int) -> list[int]:
    """Draws of the stream whose key is `state`."""
    with np.errstate(over="ignore"):
        return [int(mix(np.uint64(state) + np.uint64(i + 1) * GOLDEN)) for i in range(n)]


@pytest.mark.parametrize(
    ("seed", "published"),
    [
        (
            1234567,
            [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821],
        ),
        (0, [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]),
    ],
)
def test_mix__gives_the_published_splitmix64(seed, published):
    assert words(seed, len(published)) == published
    assert list(islice(oracles.splitmix64(seed), len(published))) == published


def test_unit__spans_zero_to_below_one():
    assert unit(np.uint64(0)) == 0.0
    assert unit(np.uint64(2**64 - 1)) == 1 - 2.0**-53
    assert exponential(np.uint64(0)) == 0.0
    assert np.isfinite(exponential(np.uint64(2**64 - 1)))


@given(seeds, streams, shots, st.integers(1, 5))
def test_uniform__equals_its_scalar_twin(seed, stream, shot, count):
    assert uniform(seed, stream, shot, count).tolist() == oracles.uniform(seed, stream, shot, count)
    assert int(stream_key(seed, stream, shot)) == oracles.stream_key(seed, stream, shot)


@given(seeds, streams, st.lists(shots, min_size=1, max_size=20), st.integers(1, 4), st.integers(0, 4))
def test_uniform__does_not_depend_on_the_batch(seed, stream, batch, count, more):
    together = uniform(seed, stream, batch, count + more)
    for row, shot in zip(together, batch, strict=True):
        assert np.array_equal(row[:count], uniform(seed, stream, shot, count))


@given(st.lists(st.tuples(st.integers(0, 50), streams, st.integers(0, 200)), min_size=2, max_size=40, unique=True))
def test_stream_key__differs_for_any_two_streams(which):
    assert len({int(stream_key(*w)) for w in which}) == len(which)


def test_stream__keeps_its_numbers():
    # a stream's number decides every byte drawn from it
    assert [(s.name, s.value) for s in Stream] == [
        ("PARTICLES", 1),
        ("ORIENTATION", 2),
        ("POSITION", 3),
        ("FLUENCE", 4),
        ("PULSE", 5),
        ("ENERGY", 6),
        ("CENTER", 7),
        ("SIZE", 8),
        ("PHOTONS", 9),
        ("DEAD_PIXELS", 10),
        ("SPECIES", 11),
        ("VARIANT", 12),
        ("DIAMETER", 13),
        ("SPREAD", 14),
        ("BACKGROUND", 15),
        ("SHARING", 16),
        ("NOISE", 17),
        ("FALSE_PHOTONS", 18),
        ("COMMON_MODE", 19),
        ("GAIN", 20),
        ("BLIND_PIXELS", 21),
        ("HOT_PIXELS", 22),
        ("HOT_CHARGE", 23),
    ]


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_uniform__is_uniform(seed):
    u = uniform(seed, Stream.SIZE, np.arange(20_000), 4)
    assert u.min() >= 0
    assert u.max() < 1
    for column in (*u.T, u.ravel()):
        assert stats.kstest(column, "uniform").pvalue > 1e-3
    assert u.mean() == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / u.size))
    assert u.var() == pytest.approx(1 / 12, abs=4 * np.sqrt(1 / 180 / u.size))


def test_uniform__is_independent_between_shots_draws_streams_and_seeds():
    n = 50_000
    base = uniform(7, Stream.SIZE, np.arange(n + 1), 2)
    others = [
        base[1:, 0],
        base[:n, 1],
        uniform(7, Stream.CENTER, np.arange(n), 1)[:, 0],
        uniform(8, Stream.SIZE, np.arange(n), 1)[:, 0],
    ]
    for other in others:
        assert abs(np.corrcoef(base[:n, 0], other)[0, 1]) < 4 / np.sqrt(n)
        table, *_ = np.histogram2d(base[:n, 0], other, bins=10, range=[(0, 1), (0, 1)])
        assert stats.chisquare(table.ravel()).pvalue > 1e-3


def variates(mean: float, n: int) -> np.ndarray:
    keys = stream_key(11, Stream.PHOTONS, np.arange(n))
    return np.array([poisson(key, mean)[1] for key in keys])


@pytest.mark.parametrize("mean", [0.01, 0.5, 5, 9.99, 10.01, 50, 1e4])
def test_poisson__has_the_poisson_distribution(mean):
    n = 40_000
    drawn = variates(float(mean), n)
    law = stats.poisson(mean)
    edges = np.unique(law.ppf(np.linspace(0, 1, 42)[1:-1])).astype(int)
    edges = edges[(n * law.cdf(edges) >= 10) & (n * law.sf(edges) >= 10)]
    observed = np.bincount(np.searchsorted(edges, drawn), minlength=len(edges) + 1)
    expected = n * np.diff([0, *law.cdf(edges), 1])
    assert len(edges) >= 1
    assert stats.chisquare(observed, expected).pvalue > 1e-3
    assert drawn.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / n))
    assert drawn.min() >= 0


def test_poisson__is_poisson_in_sequence():
    state, drawn = np.uint64(5), []
    for _ in range(20_000):
        following, k = poisson(state, 3.0)
        state = np.uint64(following)
        drawn.append(k)
    counts = np.bincount(np.minimum(drawn, 9))
    law = stats.poisson(3.0)
    expected = len(drawn) * np.array([*law.pmf(np.arange(9)), law.sf(8)])
    assert stats.chisquare(counts, expected).pvalue > 1e-3
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 4 / np.sqrt(len(drawn))


@given(st.integers(0, 2**64 - 1), st.floats(0, 9.99))
def test_poisson__of_a_small_mean_equals_counted_gaps(state, mean):
    following, k = poisson(np.uint64(state), mean)
    assert k == oracles.poisson_by_gaps(state, mean)
    assert int(following) == (state + (k + 1) * int(GOLDEN)) % 2**64


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**22))
def test_part_key__is_a_draw_of_the_stream_of_the_whole(key, part):
    assert int(part_key(np.uint64(key), part)) == oracles.part_key(key, part)


@given(st.integers(0, 2**64 - 1), st.floats(10, 1e5))
def test_poisson__of_a_large_mean_equals_its_plain_twin(state, mean):
    assert poisson(np.uint64(state), mean)[1] == oracles.poisson_by_rejection(state, mean)


@pytest.mark.parametrize("mean", [0.0, 1e12])
def test_poisson__of_an_extreme_mean_stays_near_it(mean):
    drawn = variates(mean, 200)
    assert np.abs(drawn - mean).max() <= 6 * np.sqrt(mean)


def test_normal_quantile__is_scipys():
    p = np.concatenate([np.random.default_rng(3).random(2000), 2.0 ** -np.arange(1, 25), 1 - 2.0 ** -np.arange(2, 25)])
    found = np.array([normal_quantile(value) for value in p])
    np.testing.assert_allclose(found, special.ndtri(p), rtol=5e-15, atol=1e-15)
    assert -np.inf < normal_quantile(2.0**-54) < -8
    assert 8 < normal_quantile(1.0) < np.inf


@pytest.mark.parametrize("shape", [0.11, 0.5, 1.0, 3.0, 20.0, 1e6, 1e12])
def test_gamma__has_the_gamma_distribution(shape):
    drawn = np.array([gamma(key, shape) for key in stream_key(5, Stream.PULSE, np.arange(20_000))])
    assert stats.kstest(drawn, stats.gamma(shape).cdf).pvalue > 1e-3
    assert drawn.mean() == pytest.approx(shape, abs=4 * np.sqrt(shape / len(drawn)))
