"""A run of two dozen shots with an embedding, and what a person would look at; made once a process, in no time."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import panel as pn

from tests.images import two_panels
from tests.tiny import embed_tiny, frames, tiny_run
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.run import Run

N = 24
GEOMETRY = two_panels(3)
NUMBER = np.arange(N) % 3
_folder = TemporaryDirectory()


@cache
def few_shots() -> Run:
    """A run with truth, embedded and sorted by an envelope; not to be changed."""
    run = tiny_run(Path(_folder.name) / "run.zarr", frames(N, GEOMETRY), GEOMETRY, truth={"n_particles": NUMBER})
    return embed_tiny(run)


def embedded(run: Run, n: int) -> None:
    """Let a copy of that run have the embedding of its first shots alone, as while more of them are written."""
    embedding = Embedding(run, "pca")
    embedding.publish(few_shots().embedding("pca").stored().load().isel(shot=slice(n)), embedding.parts())


def session(**params: Any) -> Session:
    """A session of one's own."""
    return Session(few_shots().path, **params)


def pictures() -> Pictures:
    return Pictures(few_shots())


def texts(*views: Any) -> str:
    """All that panes of HTML say."""
    return "\n".join(str(pane.object) for view in views for pane in view.select(pn.pane.HTML))
