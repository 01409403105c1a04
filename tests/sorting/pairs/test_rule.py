"""The pair rule as a rule: what it learns from, measures and decides; its networks have tests of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.sorting.pairs.test_networks import grid, shots
from tests.sorting.shots import Given
from xfeldask.errors import InputError
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.pairs import lessons, networks, sample, weighing
from xfeldask.sorting.pairs.rule import PairRule
from xfeldask.sorting.protocol import Allowance

pytestmark = [pytest.mark.rounding, pytest.mark.usefixtures("quick")]


@pytest.fixture(scope="module")
def quick() -> object:
    """Fewer and shorter lessons, for what does not depend on how well they are learned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lessons, "FINAL", (1, 0.3))
        patch.setattr(weighing, "STEPS", 300)
        patch.setattr(lessons, "LEAST_SOURCES", 600)
        yield


def given(labels: np.ndarray | None = None) -> Given:
    return Given({"low_q": shots(800, 8)[0]}, grid(), labels)


@pytest.fixture(scope="module")
def rule(quick: object) -> PairRule:
    return PairRule(seed=3).fit(given())


def test_rule__measures_decides_and_tells(rule: PairRule) -> None:
    images, number, _ = shots(800, 8)
    columns = rule.evidence({"low_q": images})
    assert list(columns) == [variable.name for variable in rule.columns]
    found, told = rule.decide(columns, Allowance(max_singles_lost=0.05))
    np.testing.assert_array_equal(found["verdict"] == 0, number == 0)
    np.testing.assert_array_equal(found["is_single"], found["verdict"] == 1)
    np.testing.assert_array_equal(found["is_single"], (found["score"] >= told.threshold) & (number > 0))
    assert (found["score"][number == 0] < found["score"][number > 0].min()).all()
    assert not found["probability_single"][number == 0].any()
    assert told.max_singles_lost == 0.05
    assert told.threshold_interval[0] <= told.threshold <= told.threshold_interval[1]
    kept = found["is_single"]
    assert (told.steady_photons, told.light_photons) == (None, None)
    assert told.expected_purity == pytest.approx(1 - told.expected_others_kept / kept.sum())
    low, high = told.expected_purity_interval
    assert low <= told.expected_purity <= high


def test_rule__decides_on_blanks_alone() -> None:
    found, told = PairRule().decide({"log_ratio": np.full(3, np.nan)}, Allowance(max_contamination=0.1))
    assert {name: value.tolist() for name, value in found.items()} == {
        "score": [-1.0] * 3,
        "probability_single": [0.0] * 3,
        "is_single": [False] * 3,
        "verdict": [0] * 3,
    }
    assert told == Decision(max_singles_lost=0.01, max_contamination=0.1)


def test_rule__comes_back_and_decides_the_same(rule: PairRule) -> None:
    again = PairRule.restore(rule.arrays())
    columns = rule.evidence({"low_q": shots(800, 8)[0]})
    for name, value in again.evidence({"low_q": shots(800, 8)[0]}).items():
        np.testing.assert_array_equal(value, columns[name])
    (one, told), (other, also) = rule.decide(columns, Allowance()), again.decide(columns, Allowance())
    np.testing.assert_array_equal(one["score"], other["score"])
    assert told == also


def test_rule__fits_its_own_grid_only(rule: PairRule) -> None:
    rule.check(given())
    for other, told in (
        (replace(grid(), step=grid().step * 1.01), "64 x 64 bins"),
        (replace(grid(), weight=grid().weight[2:]), "62 x 64 bins .* of the model 64 x 64"),
    ):
        with pytest.raises(InputError, match=f"another detector or geometry: its low_q has.*{told}"):
            rule.check(Given({}, other))


def test_rule__learns_from_all_that_are_labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    _, number, _ = shots(800, 8)
    labels = np.where(np.arange(800) < 400, number == 1, -1)
    seen = []
    fit = networks.PairNetworks.fit
    monkeypatch.setattr(networks.PairNetworks, "fit", lambda *args: seen.append(args[1:]) or fit(*args))
    monkeypatch.setattr(sample, "MOST_HITS", 320)
    PairRule().fit(given(labels))
    learned, _, known, _ = seen[0]
    assert len(learned) == len(known) < 800
    assert (known >= 0).sum() == 400
    assert (known < 0).sum() > 0


def test_decide__tells_no_purity_that_the_peaks_of_the_accepted_contradict(rule: PairRule) -> None:
    low, high = rule.networks.noise_peaks[0], 3 * rule.networks.noise_peaks[-1]
    ratio = np.repeat([9.0, -9.0], 500)
    peak = np.repeat([low, high, high], [300, 200, 500])
    columns = {"log_ratio": ratio, "autocorrelation_peak": peak}
    for contamination in (None, 0.05):
        _, told = rule.decide(columns, Allowance(max_contamination=contamination))
        assert told.expected_purity is told.expected_others_kept is told.expected_purity_interval is None
        assert told.purity_by_peaks == pytest.approx(0.6, abs=0.06)
    columns["autocorrelation_peak"] = np.repeat([low, high], 500)
    _, told = rule.decide(columns, Allowance())
    assert told.purity_by_peaks is None
    assert told.expected_purity > 0.99


def test_decide__of_few_multiples_asks_no_peaks(rule: PairRule) -> None:
    low, high = rule.networks.noise_peaks[0], 3 * rule.networks.noise_peaks[-1]
    peak = np.repeat([low, high], [700, 300])
    columns = {"log_ratio": np.repeat([9.0, -9.0], [980, 20]), "autocorrelation_peak": peak}
    assert rule.decide(columns, Allowance())[1].expected_purity > 0.99


@pytest.mark.parametrize(("noisy", "is_told"), [(0.95, True), (0.75, False)])
def test_decide__of_some_multiples_doubts_what_is_clearly_contradicted(
    rule: PairRule, noisy: float, is_told: bool
) -> None:
    """Noise is known less well in dim shots: a small difference tells nothing."""
    low, high = rule.networks.noise_peaks[0], 3 * rule.networks.noise_peaks[-1]
    peak = np.repeat([low, high], [round(900 * noisy), 1000 - round(900 * noisy)])
    columns = {"log_ratio": np.repeat([9.0, -9.0], [900, 100]), "autocorrelation_peak": peak}
    _, told = rule.decide(columns, Allowance())
    assert (told.expected_purity is not None, told.purity_by_peaks is None) == (is_told, is_told)
