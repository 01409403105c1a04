"""Less of what takes long, for tests that ask for none of it.

A pair rule taught in a tenth of the time, kinds sought from fewer starts and at fewer rotations, fewer shots drawn of a
particle that is named, and fewer strangers to tell what agrees by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from xfeldask.scores import quality
from xfeldask.sorting.kinds import found, growth
from xfeldask.sorting.named_pairs import drawn_hits
from xfeldask.sorting.pairs import lessons, weighing

CHANGES = {
    (lessons, "DRAFT"): (1, 0.1),
    (lessons, "FINAL"): (1, 0.2),
    (weighing, "STEPS"): 120,
    (growth, "STARTS"): (2, 1),
    (growth, "ITERATIONS"): (7, 3),
    (found, "REFINEMENT"): (2, 4),
    (drawn_hits, "DRAWN"): 100,
    (quality, "STRANGERS"): 3,
}
USUAL = {(module, name): getattr(module, name) for module, name in CHANGES}


@contextmanager
def in_haste() -> Iterator[None]:
    """It is done so within; not in other processes."""
    with pytest.MonkeyPatch.context() as patch:
        for (module, name), value in CHANGES.items():
            patch.setattr(module, name, value)
        yield


@contextmanager
def unhurried() -> Iterator[None]:
    """It is done as ever within."""
    with pytest.MonkeyPatch.context() as patch:
        for (module, name), value in USUAL.items():
            patch.setattr(module, name, value)
        yield


def hurry() -> None:
    """Have this process, one that a test started, do it so for good."""
    for (module, name), value in CHANGES.items():
        setattr(module, name, value)
