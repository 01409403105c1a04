"""Thresholds and probabilities without truth, on ratios whose densities are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from tests.strategies import examples
from xfeldask.errors import InputError
from xfeldask.sorting.cuts import LET_IN, Cuts, find_threshold
from xfeldask.sorting.deciding import decide, multiple_fraction
from xfeldask.sorting.decision import Decision, expectations
from xfeldask.sorting.expected import expected

pytestmark = pytest.mark.rounding


def ratios(prevalence: float, apart: float, n: int = 40_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log ratios of two Gaussians of variance `apart`, for which the ratio is its own logarithm; and the truth."""
    rng = np.random.default_rng(seed)
    single = rng.random(n) >= prevalence
    return rng.normal(np.where(single, apart / 2, -apart / 2), np.sqrt(apart)), single


@pytest.mark.parametrize("prevalence", [0.01, 0.05, 0.2, 0.5])
@pytest.mark.parametrize("apart", [8.0, 30.0])
def test_multiple_fraction__finds_the_part_that_was_drawn(prevalence: float, apart: float) -> None:
    ratio, single = ratios(prevalence, apart)
    assert abs(multiple_fraction(ratio) - (~single).mean()) < 0.004


@examples(0.2)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1.0), st.floats(4.0, 40.0))
def test_multiple_fraction__is_where_expectation_maximisation_ends(seed: int, prevalence: float, apart: float) -> None:
    ratio, _ = ratios(prevalence, apart, 300, seed)
    part = 0.5
    for _ in range(5000):
        part = min(max(expit(-ratio - logit(1 - part)).mean(), 0.1 / 301), 1 - 0.1 / 301)
    assert abs(multiple_fraction(ratio) - part) < 1e-3


@pytest.mark.parametrize("asked", [0.003, 0.01, 0.05])
def test_decide__loses_what_is_asked_where_kinds_overlap(asked: float) -> None:
    ratio, single = ratios(0.1, 8.0)
    found = decide(ratio, asked)
    assert asked / 1.3 < (single & ~found.kept).sum() / single.sum() < asked * 1.3
    assert abs(found.singles_lost - asked) < 1e-3
    assert abs(found.let_in - (found.kept & ~single).sum()) < 0.15 * found.let_in
    assert abs(found.probability[found.kept].mean() - single[found.kept].mean()) < 3e-3


def test_decide__keeps_all_and_lets_nothing_in_where_there_is_a_gap() -> None:
    ratio, single = ratios(0.05, 120.0)
    found = decide(ratio)
    np.testing.assert_array_equal(found.kept, single)
    assert found.let_in < LET_IN
    assert found.singles_lost < 1e-4
    assert found.threshold_low <= found.threshold <= found.threshold_high


@examples(0.5)
@given(st.integers(0, 2**32 - 1), st.floats(0.001, 0.3), st.floats(0.01, 0.5))
def test_decide__does_not_depend_on_the_order_of_shots(seed: int, asked: float, prevalence: float) -> None:
    ratio, _ = ratios(prevalence, 10.0, 500, seed)
    order = np.random.default_rng(seed).permutation(len(ratio))
    np.testing.assert_array_equal(decide(ratio, asked).kept[order], decide(ratio[order], asked).kept)
    assert decide(ratio, asked).singles_lost <= asked


@given(st.integers(0, 2**32 - 1), st.floats(0.001, 0.5), st.floats(0.001, 0.5))
def test_decide__who_may_lose_more_never_keeps_more(seed: int, one: float, other: float) -> None:
    ratio, _ = ratios(0.2, 6.0, 300, seed)
    strict, loose = (decide(ratio, asked) for asked in sorted((one, other)))
    assert (strict.kept >= loose.kept).all()
    assert strict.let_in >= loose.let_in
    assert strict.singles_lost <= loose.singles_lost <= max(one, other)


def test_decide__the_interval_holds_what_other_samples_give_and_narrows() -> None:
    found = [decide(ratios(0.1, 8.0, 2000, seed)[0], seed=seed) for seed in range(40)]
    thresholds = np.array([decision.threshold for decision in found])
    inside = [decision.threshold_low < np.median(thresholds) < decision.threshold_high for decision in found]
    assert np.mean(inside) > 0.8
    width = np.median([decision.threshold_high - decision.threshold_low for decision in found])
    large = decide(ratios(0.1, 8.0, 80_000)[0])
    assert 0.5 < (large.threshold_high - large.threshold_low) * np.sqrt(80_000 / 2000) / width < 2
    assert large.threshold_low <= large.threshold <= large.threshold_high


@given(st.lists(st.floats(-60, 60), min_size=1, max_size=50), st.floats(0.001, 0.5), st.floats(0.001, 0.5))
def test_find_threshold__a_larger_allowance_never_keeps_more(scores: list, one: float, other: float) -> None:
    score = np.array(scores)
    strict, loose = sorted((one, other))
    assert find_threshold(score, strict, LET_IN) <= find_threshold(score, loose, LET_IN)


@examples(0.5)
@given(st.integers(0, 2**32 - 1), st.floats(2.0, 20.0), st.floats(1e-4, 0.9), st.floats(1e-4, 0.9))
def test_decide__who_asks_for_more_purity_never_accepts_more(seed: int, apart: float, one: float, other: float) -> None:
    ratio, _ = ratios(0.4, apart, 300, seed)
    loose, strict = (decide(ratio, max_contamination=asked) for asked in sorted((one, other), reverse=True))
    assert (decide(ratio).kept >= loose.kept).all()
    assert (loose.kept >= strict.kept).all()
    assert strict.let_in <= min(one, other) * strict.kept.sum() + 1e-9
    assert strict.threshold_low <= strict.threshold <= strict.threshold_high


@given(st.lists(st.sampled_from([-3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 9.0]), min_size=1, max_size=30), st.floats(1e-4, 0.9))
def test_cuts__the_pure_one_is_the_loosest_that_is_pure_enough(scores: list, asked: float) -> None:
    score = np.array(scores)
    cuts = Cuts(score)
    threshold = cuts.threshold(cuts.pure(asked))

    def most_others(at: float) -> float:
        kept = score >= at
        return 1 - expected(expit(score), kept)[0].low if kept.any() else 0.0

    assert most_others(threshold) <= asked + 1e-12
    assert all(most_others(at) > asked for at in score[score < threshold])


@pytest.mark.parametrize("asked", [0.05, 0.01])
def test_decide__the_contamination_asked_for_is_true_within_its_interval_and_costs_singles(asked: float) -> None:
    ratio, single = ratios(0.32, 4.0)
    found = decide(ratio, max_contamination=asked)
    told = expectations(found.probability, found.kept)
    low, high = told["expected_purity_interval"]
    assert low == pytest.approx(1 - asked, abs=1e-3)
    assert low - 2e-3 <= single[found.kept].mean() <= high + 2e-3
    low, high = told["expected_singles_lost_interval"]
    assert low - 0.01 <= (single & ~found.kept).sum() / single.sum() <= high + 0.01
    assert found.singles_lost > 0.2
    # at one hundredth lost a quarter of the accepted are multiple
    kept = decide(ratio).kept
    assert found.otherwise is not None
    assert found.otherwise.low < single[kept].mean() < found.otherwise.high


@given(st.integers(0, 2**32 - 1), st.integers(1, 3000), st.floats(0.0, 1.0), st.floats(1.0, 20.0))
def test_expectations__lie_within_their_intervals(seed: int, n: int, accepted: float, sure: float) -> None:
    rng = np.random.default_rng(seed)
    told = expectations(expit(rng.normal(sure, 3.0, n)), rng.random(n) < accepted)
    for name in ("expected_purity", "expected_singles_lost"):
        if name in told:
            low, high = told[f"{name}_interval"]
            assert low <= told[name] <= high


def test_decide__where_both_can_be_had_nothing_is_told_of_a_conflict() -> None:
    ratio, _ = ratios(0.32, 30.0)
    found, usual = decide(ratio, max_contamination=0.05), decide(ratio)
    assert found.otherwise is None
    np.testing.assert_array_equal(found.kept, usual.kept)


def test_decision__tells_what_each_of_two_demands_costs() -> None:
    told = Decision(
        max_singles_lost=0.01,
        max_contamination=0.01,
        expected_singles_lost=0.123,
        expected_singles_lost_interval=(0.108, 0.14),
        purity_otherwise=(0.958, 0.945, 0.969),
    )
    assert Decision.from_json(told.to_json()).conflict == (
        "a contamination of no more than 1 % costs 12.3 % (10.8 to 14.0) of the single hits; with at most 1 % of them "
        "lost, 4.2 % (3.1 to 5.5) of the accepted are not single"
    )
    assert Decision(max_contamination=0.01).conflict is None


@pytest.mark.parametrize("asked", [0.0, 1.0, -0.1, 5.0, np.nan])
def test_decide__refuses_a_contamination_that_is_none(asked: float) -> None:
    with pytest.raises(InputError, match="max_contamination must be above 0 and below 1"):
        decide(np.zeros(3), max_contamination=asked)


@pytest.mark.parametrize(
    ("ratio", "asked", "words"),
    [([], 0.01, "at least one hit"), ([np.nan], 0.01, "numbers"), ([1.0], 0.0, "max_singles_lost"),
     ([1.0], 1.0, "max_singles_lost")],
)  # fmt: skip
def test_decide__refuses_in_one_sentence(ratio: list, asked: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        decide(np.array(ratio), asked)


@pytest.mark.parametrize("ratio", [np.full(5, 1e9), np.full(5, -1e9), np.array([np.inf, -np.inf, 0.0])])
def test_decide__extreme_ratios_stay_finite(ratio: np.ndarray) -> None:
    found = decide(ratio)
    assert np.isfinite(found.score).all()
    assert np.isfinite([found.threshold, found.singles_lost, found.let_in, found.prevalence]).all()


def test_decision__of_an_older_store_tells_the_same_by_its_new_name():
    assert Decision.from_json('{"purity_at_most": 0.4}') == Decision(purity_by_peaks=0.4)


def test_decision__of_an_older_store_wants_its_one_kind() -> None:
    older = Decision.from_json('{"kinds": [9, 1], "wanted_kind": 1}')
    assert older.wanted_called == "kind 1"
    assert Decision.from_json(older.to_json()) == older
