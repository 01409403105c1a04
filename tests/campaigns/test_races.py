"""Two and three verbs at once on one store: each ends, or says why it did not, and what is left is whole."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import warnings
from itertools import combinations_with_replacement
from pathlib import Path

import pytest

from tests.campaigns import killing
from tests.campaigns.test_kills import SEED
from tests.once import Once
from xfeldask import embed, open_run, simulate
from xfeldask.errors import XfeldaskWarning
from xfeldask.verbs.verify import verify

ROOT = Path(__file__).resolve().parents[2]
PAIRS = list(combinations_with_replacement(killing.VERBS, 2))
TRIPLES = random.Random(SEED).sample(list(combinations_with_replacement(killing.VERBS, 3)), 20)
EVERY_DAY = {("overwrite", "embed")}
"""Those that are raced every day; all pairs, and some of three, are in a campaign."""


@pytest.mark.parametrize(
    "verbs",
    [pytest.param(verbs, marks=() if verbs in EVERY_DAY else pytest.mark.campaign) for verbs in PAIRS + TRIPLES],
)
def test_verbs__at_once_leave_a_store_that_is_whole(once: Once, tmp_path: Path, verbs: tuple[str, ...]) -> None:
    folder = once("to be killed", killing.make)
    command = [sys.executable, "-m", "tests.campaigns.racing", folder, tmp_path / "out", *verbs]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.strip().splitlines()
    assert len(told) == len(verbs), done.stdout  # one sentence each
    assert any(line.endswith(": done") for line in told), told
    store = tmp_path / "out" / "run.zarr"
    run = open_run(store)
    assert run.experiment is not None
    seed = run.experiment.seed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XfeldaskWarning)
        simulate(store, **killing.RUN, seed=seed, resume=True)
        assert verify(store, recompute=8, progress=False).problems == ()
        for name in open_run(store).embeddings:
            assert open_run(store).embedding(name).is_current, (name, told)
        embed(store, name="after", **killing.EMBED)
    assert verify(store, progress=False).problems == ()
