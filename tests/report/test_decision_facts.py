"""What is told of a decision, and of the truth beside it."""

from pathlib import Path

import numpy as np
import pytest

from tests.tiny import embed_tiny, frames, tiny_run
from xfeldask.report.decision_facts import decision_told, verdict_told
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


def test_told__of_a_contamination_that_was_asked_for() -> None:
    decision = Decision(
        threshold=1.234,
        max_singles_lost=0.01,
        max_contamination=0.05,
        expected_singles_lost=0.123,
        expected_singles_lost_interval=(0.1, 0.14),
        expected_purity=0.95,
        expected_purity_interval=(0.94, 0.96),
    )
    rows = decision_told(decision)
    assert rows == {
        "threshold": "score 1.234, at most 5 % of the accepted not single by the interval of the purity, and 1 % of "
        "the singles rejected as expected",
        "expected": "12.30 % of the singles rejected (10.00 to 14.00), purity 95.000 % (94.00 to 96.00)",
    }
    both = decision_told(decision.model_copy(update={"purity_otherwise": (0.9, 0.88, 0.92)}))
    assert both["threshold"] == "score 1.234, at most 5 % of the accepted not single by the interval of the purity"
    assert both["costs"].startswith(
        "a contamination of no more than 5 % costs 12.3 % (10.0 to 14.0) of the single hits; with at most 1 %"
    )


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


def test_told__of_an_embedding_without_truth_has_none(tmp_path: Path) -> None:
    run = embed_tiny(tiny_run(tmp_path / "run.zarr", frames(24)))
    latent = run.embedding().dataset()
    rows, accepted = verdict_told(run, latent), int(latent.is_single.sum())
    assert rows["verdict"] == f"{accepted} single, {24 - accepted} multiple, 0 blank, by elliptic_envelope"
    assert "truth" not in rows
    assert rows["kinds"] == "not asked for: a single hit is one particle, of whatever kind; xfeldask kinds asks which"
    assert run.embedding().facts()["kinds"] == rows["kinds"]


def test_told__of_the_truth_counts_blanks_apart(tmp_path: Path) -> None:
    n = np.arange(24) % 3
    run = embed_tiny(tiny_run(tmp_path / "run.zarr", frames(24), truth={"n_particles": n}))
    latent = run.embedding().dataset()
    accepted = latent.is_single.values
    one, many, none = ((accepted & (n == kind)).sum() for kind in (1, 2, 0))
    told = verdict_told(run, latent)["truth"]
    assert told.startswith(
        f"{one} of 8 singles accepted, {many} of 8 multiples accepted, {none} of 8 blanks accepted, "
        f"purity {100 * one / accepted.sum():.3f} %"
    )


def test_told__of_the_truth_takes_singles_of_another_species_for_none(tmp_path: Path) -> None:
    species = (np.arange(24) % 3 == 2).astype(np.int16)[:, None]
    truth = {"n_particles": np.ones(24, np.int16), "species": species}
    run = embed_tiny(tiny_run(tmp_path / "run.zarr", frames(24), truth=truth))
    latent = run.embedding().dataset()
    latent["is_single"][:] = True
    assert verdict_told(run, latent)["truth"].startswith(
        "16 of 16 singles accepted, 8 of 8 singles of another species accepted, 0 of 0 multiples accepted, "
        "purity 66.667 %"
    )


def test_told__of_each_kind_is_what_a_person_can_name_it_by() -> None:
    found = Decision(kinds=(9, 1, 0), kind_photons=(1234.5, 90.0, None), kind_radius=(6.25e-9, None, None))
    rows = decision_told(found)
    assert rows["each kind"] == "kind 0 1,234 photons a shot, radius of gyration 6.25 nm; kind 1 90 photons a shot"
    named = decision_told(found.model_copy(update={"kind_names": ("protein", "drop", "ice")}))
    assert named["each kind"].startswith("protein 1,234 photons a shot, ")


def test_told__of_kinds_that_were_found_says_how_rare_another_may_be() -> None:
    found = Decision(kinds=(900, 100), wanted_kinds=(0,), rarest_kind=20 / 3000)
    told = "900 kind 0, 100 kind 1; kind 0 wanted"
    assert decision_told(found)["kinds"] == f"{told}; one of less than 0.67 % of them, or a dim one, would not be found"
    assert decision_told(found.model_copy(update={"rarest_kind": None}))["kinds"] == told
