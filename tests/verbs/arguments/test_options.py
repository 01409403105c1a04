from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.tiny import embed_tiny, frames, tiny_run
from xfeldask.errors import InputError
from xfeldask.latent.pca import PCA
from xfeldask.sorting.envelope import EnvelopeRule
from xfeldask.sorting.protocol import Allowance
from xfeldask.store.results.model import make_features
from xfeldask.verbs.arguments.options import Options, refuse
from xfeldask.work.fitting import Fit
from xfeldask.work.sources import StoreSource, dataset_source

USUAL = Options(
    method="pca", features="counts", n_components=2, batch_size=8, sort="elliptic_envelope", allowance=Allowance(),
    labels=None, stop=True, measures=(), history=False, seed=3, progress=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return embed_tiny(tiny_run(tmp_path_factory.mktemp("options") / "run.zarr", frames(24)))


def labels(*values):
    return np.array(values, np.int8)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"method": "pcb"}, "did you mean pca"),
        ({"n_components": 24}, "24 components need more shots than that, there are 24"),
        ({"n_components": 0}, "n_components"),
        ({"n_components": 2.5}, "n_components must be a whole number, got 2.5"),
        ({"batch_size": 2.5}, "batch_size must be a whole number, got 2.5"),
        ({"batch_size": "3"}, "batch_size must be a whole number, got '3'"),
        ({"seed": 2.5}, "seed must be a whole number, got 2.5"),
        ({"seed": "a"}, "seed must be a whole number, got 'a'"),
        ({"batch_size": 0}, "batch_size must be at least 1 shot, got 0"),
        ({"sort": "pears"}, "did you mean pairs"),
        ({"labels": labels(*[1] * 24)}, r"labels are for sort='pairs' and hold a number for each of the 24 shots"),
        ({"sort": "pairs", "labels": labels(1, 0)}, "a number for each of the 24 shots"),
        ({"sort": None, "labels": labels(*[1] * 24)}, "labels are for sort='pairs'"),
        ({"sort": "pairs", "labels": labels(*[2] * 24)}, r"labels hold 1 \(single\), 0 \(anything else\) or -1"),
        ({"sort": "pairs", "labels": np.full(24, np.nan)}, "labels hold 1"),
    ],
)
def test_refuse__says_what_cannot_be_done_before_anything_is(run, changes, told):
    refuse(StoreSource(run), 24, USUAL)
    with pytest.raises(InputError, match=told):
        refuse(StoreSource(run), 24, replace(USUAL, **changes))


def test_refuse__names_what_a_rule_needs_and_shots_do_not_have(run):
    bare = dataset_source(run.dataset().drop_vars("low_q"))
    refuse(bare, 24, USUAL)
    with pytest.raises(InputError, match=r"sort='pairs' needs low_q, which the shots do not have; give it, or sort by"):
        refuse(bare, 24, replace(USUAL, sort="pairs"))


def test_parameters__say_all_that_the_embedding_depends_on(run):
    made = make_features(run, "counts")
    fitted = Fit(PCA(2, seed=3), np.arange(16), {}, 16)
    asked = replace(USUAL, sort="pairs", labels=labels(*[1, 0, -1] * 8))
    told = asked.parameters(made, fitted)
    assert (told.method, told.n_fitted, told.converged_at, told.labels, told.seed) == ("pca", 16, 16, 16, 3)
    assert told.method_parameters["n_components"] == 2
    assert told.features == {"name": "counts", "bin": 1}


def test_parameters__of_users_objects_are_how_they_show_themselves(run):
    asked = replace(USUAL, method=PCA(2), sort=EnvelopeRule())
    told = asked.parameters(make_features(run, "counts"), Fit(PCA(2), np.arange(24), {}, None))
    assert (told.method, told.method_parameters) == ("PCA", repr(PCA(2)))
    assert told.sort == "EnvelopeRule()"
    assert replace(USUAL, sort=None).sort_name is None
