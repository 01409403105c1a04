"""What is printed of stores, embeddings and decisions."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.tiny import embed_tiny, frames, tiny_run
from xfeldask.engines.estimate import Estimate
from xfeldask.report.printing import (
    bytes_text,
    console,
    decision_told,
    facts,
    print_estimate,
    print_run,
    print_store,
    print_verdict,
    size_on_disk,
)
from xfeldask.sorting.decision import Decision
from xfeldask.store.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("printing") / "run.zarr"
    return embed_tiny(tiny_run(path, frames(24), truth={"n_particles": np.arange(24) % 3}))


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
        "threshold": "score 1.234, at most 5 % of the accepted not single and 1 % of the singles rejected, as expected",
        "expected": "12.30 % of the singles rejected (10.00 to 14.00), purity 95.000 % (94.00 to 96.00)",
    }
    both = decision_told(decision.model_copy(update={"purity_otherwise": (0.9, 0.88, 0.92)}))
    assert both["threshold"] == "score 1.234, at most 5 % of the accepted not single, as expected"
    assert both["costs"].startswith(
        "5 % contamination costs 12.3 % (10.0 to 14.0) of the single hits; with at most 1 %"
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


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_480_000_000, "1.48 GB"), (2.5e15, "2.5e+03 TB")]
)
def test_bytes__have_a_decimal_unit(n: float, text: str) -> None:
    assert bytes_text(n) == text


def test_size_on_disk__is_that_of_all_files(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").write_bytes(b"123")
    (tmp_path / "d").write_bytes(b"45")
    assert size_on_disk(tmp_path) == 5


def test_print_store__says_what_there_is_and_what_it_means(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    print_store(run.path)
    told = capsys.readouterr().out
    for words in ("complete", "1 x 8 x 8 pixels", "24 of 24 done", "0: 8 shots, 1: 8 shots, 2: 8 shots", "pca"):
        assert words in told
    for name, unit in (("photons", "count"), ("pixel_position", "m"), ("q", "angstrom-1")):
        assert re.search(rf"{name}\b.*{unit}\b", told)


def test_print_store__that_is_not_whole_says_how_to_finish_it(tmp_path: Path, capsys) -> None:
    print_store(tiny_run(tmp_path / "run.zarr", frames(6), done=4).path)
    assert "not complete; finish it with --resume" in capsys.readouterr().out


def test_print_verdict__tells_the_truth_where_it_is_known(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    ds, latent = run.dataset(chunks=None), run.embedding().dataset()
    print_verdict(ds, latent)
    told = " ".join(capsys.readouterr().out.split())
    assert "2 components by pca of counts, fitted to 24 shots, not watched to convergence" in told
    accepted = latent.is_single.values
    assert f"{accepted.sum()} single, {(~accepted).sum()} multiple, 0 blank, by elliptic_envelope" in told
    single = ds.n_particles.values == 1
    assert f"{(single & accepted).sum()} of 8 singles accepted, {(~single & accepted).sum()} of 16 multiples" in told
    print_verdict(ds.drop_vars("n_particles"), latent)
    assert "singles accepted" not in capsys.readouterr().out


def test_print_run__is_told_when_it_is_done_and_only_then(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with print_run(run.path, quiet=False):
        assert capsys.readouterr().out == ""
    told = capsys.readouterr().out
    assert all(words in told for words in ("24 in ", "particles a shot", f"next: xfeldask embed {run.path}"[:40]))
    with print_run(run.path, quiet=True):
        pass
    with pytest.raises(ZeroDivisionError), print_run(run.path, quiet=False):
        raise ZeroDivisionError
    assert capsys.readouterr().out == ""


def test_print_estimate__divides_the_time_among_workers(capsys: pytest.CaptureFixture[str]) -> None:
    print_estimate(Estimate(10_000, 3, 2 * 10**7, 10**10, 2 * 10**8, 80.0), workers=4)
    told = capsys.readouterr().out
    assert all(words in told for words in ("10,000", "3, a shard each", "20 MB for 10 GB", "200 MB", "20 s on 4 cores"))


def test_facts__of_hostile_names_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(facts("[red]\x1b[31m", {"[bold]": "a\nb"}))
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "[bold]" in told
    assert r"a\nb" in told
