"""What is printed of a decision, whatever a rule tells."""

import pytest

from xfeldask.report.printing import decision_told
from xfeldask.sorting.decision import Decision


@pytest.mark.parametrize(
    ("decision", "rows"),
    [
        (Decision(), {}),
        (Decision(contamination=0.1), {}),
        (Decision(threshold=0.5, mood="good"), {"threshold": "score 0.5"}),
        (Decision(multiple_fraction=0.05), {"expected": "5.00 % of the hits are multiple"}),
    ],
)
def test_told__is_as_much_as_the_rule_tells(decision: Decision, rows: dict[str, str]) -> None:
    assert decision_told(decision) == rows


def test_told__of_the_pair_rule_is_whole() -> None:
    decision = Decision(
        max_singles_lost=0.3,
        threshold=1.234,
        threshold_interval=(1.0, 2.0),
        multiple_fraction=0.05,
        expected_singles_lost=0.01,
        expected_others_kept=1.5,
        expected_purity=0.999,
    )
    rows = decision_told(decision)
    assert rows["threshold"].startswith("log odds 1.23 (95 % of resampled data: 1.00 to 2.00), where rejecting one")
    assert rows["threshold"].endswith("at most 30 % of the singles rejected")
    assert rows["expected"] == (
        "5.00 % of the hits are multiple, 1.00 % of the singles rejected, 1.5 multiples accepted, purity 99.900 %"
    )
