"""Faults that this package once had, put back into it, so that a campaign shows that it finds them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from xfeldask.config import Experiment
from xfeldask.store.storage.lock import Holder

FAULT = "XFELDASK_CAMPAIGN_FAULT"
"""Environment variable by which processes that a campaign starts have the fault, too."""


class Patch(pytest.MonkeyPatch):
    """Puts back faults by their names in the package."""

    def always(self, name: str, value: object = None) -> None:
        """Let a function do nothing but return a value."""
        self.setattr(f"xfeldask.{name}", lambda *_, **__: value)


def two_renames(patch: Patch) -> None:
    """Move what was there away before what is new is put into its place."""
    patch.always("store.storage.publish.exchanged", False)


def no_writer(patch: Patch) -> None:
    """Let everybody write at once."""
    patch.setattr("xfeldask.store.storage.lock._take", lambda *_: Holder.me())
    patch.always("store.run.Run.refuse_replaced")
    two_renames(patch)


def no_run(patch: Patch) -> None:
    """Let embeddings not know of which run they are."""
    patch.always("store.run.Run.refuse_replaced")
    patch.setattr("xfeldask.store.results.made.RUN", "forgotten")


def no_links(patch: Patch) -> None:
    """Take a link for what it points to."""
    for module in ("lock", "publish"):
        patch.setattr(f"xfeldask.store.{module}.real_path", Path)
    two_renames(patch)


def no_manifest(patch: Patch) -> None:
    """Believe all metadata."""
    patch.always("store.checks.broken", [])
    patch.always("store.checks._experiment_problems", [])


def no_recomputing(patch: Patch) -> None:
    """Draw no shot again."""
    patch.always("verbs.verify.check_redrawn", [])


def no_strictness(patch: Patch) -> None:
    """Believe what gemmi reads of a structure."""
    patch.always("formats.structures.pdb_positions")
    patch.always("formats.structures.refuse_others")


def no_validation(patch: Patch) -> None:
    """Let pydantic tell of a damaged experiment."""
    patch.setattr(
        "xfeldask.store.opening.stored_experiment",
        lambda root: Experiment.model_validate_json(root.attrs["experiment"]),
    )


def no_safe_header(patch: Patch) -> None:
    """Let NumPy tell of a damaged header."""
    patch.setattr("xfeldask.formats.arrays.map_array", lambda path, _: np.load(path, mmap_mode="r"))


def no_long_names(patch: Patch) -> None:
    """Let the system tell of a name that is too long."""
    patch.setattr("xfeldask.store.storage.leftovers.exists", Path.exists)


def markup(patch: Patch) -> None:
    """Let names of files be markup, and give orders to a terminal."""
    patch.setattr("xfeldask.report.printing.printable", str)
    patch.setattr("tests.campaigns.grammars.console", Console)


def no_limits(patch: Patch) -> None:
    """Take any number for one of a laboratory."""
    patch.setattr("xfeldask.config.limits.Limit.check", lambda self, name, value, more=None: value)


FAULTS: dict[str, Callable[[Patch], None]] = {
    "no writer": no_writer,
    "no run": no_run,
    "two renames": two_renames,
    "no links": no_links,
    "no manifest": no_manifest,
    "no recomputing": no_recomputing,
    "no strictness": no_strictness,
    "no validation": no_validation,
    "no safe header": no_safe_header,
    "no long names": no_long_names,
    "markup": markup,
    "no limits": no_limits,
}


@contextmanager
def put_back(name: str) -> Iterator[None]:
    """Have a fault, in this process and in those that it starts."""
    with Patch.context() as patch:
        FAULTS[name](patch)
        patch.setenv(FAULT, name)
        yield


def inherit() -> None:
    """Have the fault of the process that started this one, if it has one."""
    if name := os.environ.get(FAULT):
        FAULTS[name](Patch())
