"""Garbage is not looked for in what an explorer's server is made of, which is much and stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting() -> Iterator[None]:
    """Look for no garbage within: a sixth of the time that imports take goes there, and what a page is made by stays.

    Nothing is looked for until `look_for_new_garbage` is called, if it is.

    Examples
    --------
    >>> with lasting():
    ...     print(gc.isenabled())
    False
    """
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.enable()


def look_for_new_garbage() -> None:
    """Look for garbage from now on, in what comes alone."""
    gc.freeze()
    gc.enable()
