"""The explorer as a server, and in a notebook."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import panel as pn

from xfeldask.explorer.drawing import warm
from xfeldask.explorer.page import make_page, message

STORE = "XFELDASK_STORE"
"""Environment variable that names the store where no argument does."""


def serve_store(
    store: str | Path, embedding: str | None = None, port: int = 0, address: str = "127.0.0.1", show: bool = False
) -> None:
    """Serve the page of a store until interrupted.

    Parameters
    ----------
    store : str or Path
    embedding : str, optional
    port : int; 0 takes a free one
    address : str, to listen on
    show : bool, open a browser
    """
    warm()
    pn.serve(
        {"/": lambda: make_page(store, embedding)}, port=port, address=address, show=show, title="xfeldask explorer"
    )


def store_of(arguments: Sequence[str]) -> tuple[str | None, str | None]:
    """Store and embedding from ``--store`` and ``--embedding`` of a command line, else from the environment."""
    found = {"--store": os.environ.get(STORE), "--embedding": None}
    for word, value in zip(arguments, [*arguments[1:], ""], strict=False):
        name, equals, after = word.partition("=")
        if name in found:
            found[name] = after if equals else value
    return found["--store"], found["--embedding"]


def served_page() -> Any:
    """The page for `panel serve`, of the store that the command line or the environment names."""
    pn.cache(warm)()
    store, embedding = store_of(sys.argv)
    if not store:
        return message("no store was named: panel serve xfeldask/dashboard.py --args --store run.zarr")
    return make_page(store, embedding)
