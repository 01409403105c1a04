"""Which embedding is meant where none is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tiny import embed_tiny, frames, tiny_run
from xfeldask import export, select
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.run import Run
from xfeldask.verbs.export import result_of
from xfeldask.verbs.parts.measured_background import of_hits
from xfeldask.verbs.parts.reconstruction_plan import chosen_shots


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose first embedding was not sorted, and another was."""
    run = tiny_run(tmp_path_factory.mktemp("several") / "run.zarr", frames(24))
    return embed_tiny(embed_tiny(run, "aaa", sort=None), "judged")


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was sorted twice."""
    run = tiny_run(tmp_path_factory.mktemp("twice") / "run.zarr", frames(24))
    return embed_tiny(embed_tiny(run, "one"), "other")


def test_verdicts__are_those_of_the_one_that_was_sorted(run: Run) -> None:
    accepted = np.flatnonzero(run.embeddings["judged"].dataset().is_single.values)
    assert 0 < len(accepted) < run.n_shots
    assert Shots.of(run).embedding == "judged"
    assert select(run.path, "is_single").tolist() == accepted.tolist()
    shots, embedding = chosen_shots(run, None, None)
    assert (shots.tolist(), embedding) == (accepted.tolist(), "judged")
    result = result_of(run, None, np.arange(run.n_shots))
    assert result is not None
    assert result["name"] == "judged"


def test_one_that_was_not_sorted__is_taken_if_it_is_named(run: Run) -> None:
    shots, embedding = chosen_shots(run, None, "aaa")
    assert (len(shots), embedding) == (run.n_shots, None)
    assert result_of(run, "aaa", np.arange(run.n_shots)) is None
    with pytest.raises(UnknownNameError, match="unknown embedding 'judge'; did you mean judged"):
        chosen_shots(run, None, "judge")


def test_verdicts__of_several_must_be_named(twice: Run, tmp_path: Path) -> None:
    told = "has verdicts in one, other; say which with embedding= "
    for ask in (
        lambda: chosen_shots(twice, None, None),
        lambda: export(twice.path, tmp_path / "out.cxi", progress=False),
        lambda: of_hits(twice, None, None, None, progress=False),
        lambda: Embedding.with_verdicts(twice),
    ):
        with pytest.raises(InputError, match=told):
            ask()
    assert chosen_shots(twice, None, "other")[1] == "other"
    assert chosen_shots(twice, "photon_count >= 0", None)[0].tolist() == list(range(24))
