from __future__ import annotations

import hashlib
import math
from decimal import Context, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.physics.elementary import cosine_sine_of, cube_root_of, exp_of, log_factorial, log_of

pytestmark = pytest.mark.rounding

DIGITS = Context(prec=40)
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
RNG = np.random.default_rng(5)
POSITIVE = np.concatenate(
    [RNG.random(500), 10 ** RNG.uniform(-300, 300, 500), 1 + 1e-3 * RNG.standard_normal(500), [2.0**-53, 1.0, 1e-307]]
)


def ulps(found, exact):
    """Largest distance of `found` from Decimals, in units of the last place."""
    return max(
        float(abs(Decimal(f) - e) / Decimal(math.ulp(float(e)))) for f, e in zip(found.tolist(), exact, strict=True)
    )


def series(turns, first):
    """Cosine (`first` 0) or sine (1) of 2 pi turns, -1/2 to 1/2, by its Taylor series."""
    x = 2 * PI * Decimal(turns)
    term = total = x if first else Decimal(1)
    for k in range(first + 1, 60, 2):
        term = DIGITS.divide(-term * x * x, Decimal(k * (k + 1)))
        total = DIGITS.add(total, term)
    return total


def test_log__is_within_an_ulp():
    assert ulps(log_of(POSITIVE), [DIGITS.ln(Decimal(x)) for x in POSITIVE]) < 1


def test_exp__is_within_an_ulp_and_ends_in_zero_and_infinity():
    x = np.concatenate([RNG.uniform(-2, 2, 500), RNG.uniform(-708, 709, 500), 1e-5 * RNG.standard_normal(100), [0.0]])
    assert ulps(exp_of(x), [DIGITS.exp(Decimal(v)) for v in x]) < 1
    assert exp_of([-709.0, -np.inf, 710.0]).tolist() == [0.0, 0.0, np.inf]


def test_cube_root__is_within_an_ulp():
    assert ulps(cube_root_of(POSITIVE), [DIGITS.power(Decimal(x), Decimal(1) / 3) for x in POSITIVE]) < 1.1


def test_cosine_sine__are_within_an_ulp_of_1():
    turns = np.concatenate([RNG.uniform(-0.5, 0.5, 500), np.arange(-16, 17) / 32])
    for first, found in enumerate(cosine_sine_of(turns)):
        exact = [series(x, first) for x in turns]
        assert max(abs(Decimal(f) - e) for f, e in zip(found.tolist(), exact, strict=True)) < 2.0**-52
    small = turns[turns != 0] / 4
    assert ulps(cosine_sine_of(small)[1], [series(x, 1) for x in small]) < 2


@given(st.floats(-0.5, 0.5), st.integers(-(2**40), 2**40))
def test_cosine_sine__repeat_themselves_every_turn(turns, more):
    farther = turns + more
    # what is left of the fraction beside so many turns
    assert cosine_sine_of(farther) == cosine_sine_of(farther - more)


def test_cosine_sine__of_quarter_turns_are_exact():
    cosine, sine = cosine_sine_of(np.arange(-8, 9) / 4)
    np.testing.assert_array_equal(cosine, np.resize([1, 0, -1, 0], 17))
    np.testing.assert_array_equal(sine, np.resize([0, 1, 0, -1], 17))


@pytest.mark.parametrize("k", [0, 1, 2, 17, 18, 19, 100, 10_000, 10**9])
def test_log_factorial__is_that_of_the_factorial(k):
    exact = float(DIGITS.ln(Decimal(math.factorial(k)))) if k < 20_000 else math.lgamma(k + 1)
    assert log_factorial(float(k)) == pytest.approx(exact, rel=1e-15, abs=1e-15)


def test_elementary__have_these_bits():
    # on every processor; other bits here are other bytes of every store, and another `xfeldask.store.layout.FORMAT`
    i = np.arange(1, 20_001)
    state = hashlib.sha256()
    for value in (log_of(i / 20_000), exp_of(-i / 3000), *cosine_sine_of(i / 7919), cube_root_of(i * 1e-28)):
        state.update(value.astype("<f8").tobytes())
    assert state.hexdigest() == "0e433ff7c8d9438f5469fd622115ffdd02c30a24f2733c397d3d16226e791b2b"
