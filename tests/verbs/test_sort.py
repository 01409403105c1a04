from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.tiny import embed_tiny, frames, tiny_run
from xfeldask import sort
from xfeldask.errors import IncompleteStoreError, InputError, UnknownNameError
from xfeldask.store.run import Run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    run = embed_tiny(tiny_run(tmp_path_factory.mktemp("sort") / "run.zarr", frames(24)))
    return embed_tiny(run, "unsorted", sort=None)


@pytest.fixture
def run(made, tmp_path):
    return Run.open(shutil.copytree(made.path, tmp_path / "run.zarr"))


def test_sort__decides_anew_by_what_was_measured(run):
    before = run.embedding("pca").dataset().load()
    found = sort(run.path, "pca", contamination=0.25)
    assert int((~found.is_single).sum()) == 6
    for name in ("latent", "envelope_distance", "components"):
        np.testing.assert_array_equal(found[name], before[name])
    embedding = run.reopened().embedding("pca")
    assert (embedding.parameters.contamination, embedding.decision.contamination) == (0.25, 0.25)
    # the shots that are rejected are the farthest
    far = found.envelope_distance.values
    assert far[~found.is_single].min() >= far[found.is_single].max()


def test_sort__again_with_the_usual_allowance_is_as_before(run):
    before = run.embedding("pca").dataset().load()
    sort(run.path, "pca", contamination=0.4)
    found = sort(run.path, "pca")
    for name in ("score", "is_single", "verdict"):
        np.testing.assert_array_equal(found[name], before[name])


@pytest.mark.parametrize(
    ("name", "asked", "error", "told"),
    [
        ("none", {}, UnknownNameError, "unknown embedding 'none'; did you mean unsorted"),
        (None, {}, InputError, r"has the embeddings pca, unsorted; say which with name= \(--name\)"),
        ("unsorted", {}, InputError, r"was not sorted; embed with sort='pairs' or 'elliptic_envelope'"),
        ("pca", {"contamination": 0.7}, InputError, "contamination must be above 0 and at most 0.5, got 0.7"),
        ("pca", {"max_singles_lost": 0.1}, InputError,
         "goes by contamination; for max_singles_lost embed with sort='pairs'"),
        ("pca", {"max_contamination": 0.1}, InputError,
         "goes by contamination; for max_contamination embed with sort='pairs'"),
    ],
)  # fmt: skip
def test_sort__refuses_in_one_sentence_and_changes_nothing(run, name, asked, error, told):
    before = run.embedding("pca").dataset().load()
    with pytest.raises(error, match=told):
        sort(run.path, name, **asked)
    assert run.reopened().embedding("pca").dataset().load().identical(before)


def test_sort__of_older_embeddings_without_evidence_says_what_to_do(run):
    embedding = run.embedding("pca")
    embedding.publish(embedding.stored().load().drop_vars("envelope_distance"), embedding.parts())
    with pytest.raises(InputError, match=r"does not hold the evidence of elliptic_envelope \(envelope_distance\)"):
        sort(run.path, "pca")


def test_sort__waits_for_the_run_to_be_complete(run):
    run.reopened("r+").group.attrs["complete"] = False
    with pytest.raises(IncompleteStoreError):
        sort(run.path, "pca")
