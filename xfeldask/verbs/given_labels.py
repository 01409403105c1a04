"""Labels of shots, wherever a person keeps them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import FormatError, UnknownNameError
from xfeldask.formats.text import load_array, read_lines
from xfeldask.store.labels import LABELS, NO_LABEL, check_class, lessons, number, read_labels
from xfeldask.store.run import Run

TABLE = "shot,label"
"""The first line of a table of labels."""


def given_labels(run: Run, labels: ArrayLike | str | os.PathLike[str]) -> NDArray[Any]:
    """Return labels as a rule learns from them.

    Parameters
    ----------
    run : Run, whose shots are labelled
    labels : int (shot,): 1 a single hit, 0 anything else, -1 not known; the path of a ``.npy`` file of that, or of a
        ``.csv`` table of shots and words, as the explorer writes it; or the name of a person whose labels the store has

    Returns
    -------
    (shot,), as they were given; of words, int8 as of `lessons`

    Raises
    ------
    MissingFileError, FormatError, UnknownNameError
        There is no such file, it holds no such table, or nobody of that name gave labels.

    Examples
    --------
    >>> given_labels(None, [1, 0, -1]).tolist()
    [1, 0, -1]
    """
    if not isinstance(labels, str | os.PathLike):
        return np.asarray(labels)
    text = os.fspath(labels)
    if text.endswith(".csv"):
        return lessons(_table(run, text))
    if text.endswith(".npy") or Path(text).name != text:
        return load_array(text, "labels")
    known = read_labels(run)
    if text not in known:
        none = "nobody gave the shots of this store labels; give a file (.csv, .npy), or label shots in the explorer"
        raise UnknownNameError("name of who gave labels", text, known, none)
    return lessons(known[text].values.astype(np.int8))


def _table(run: Run, path: str) -> NDArray[np.int8]:
    """Read labels from a table of two columns: absolute indices of shots, and words."""
    heading, *lines = read_lines(path, "labels")
    if heading.replace(" ", "") != TABLE:
        raise FormatError(path, f"labels are a table that begins with {TABLE!r}, and this one with {heading!r:.60}")
    place = {int(shot): at for at, shot in enumerate(run.read("shot"))}
    out, classes = np.full(run.n_shots, NO_LABEL, np.int8), dict(LABELS)
    for line, text in enumerate(lines, start=2):
        shot, _, word = (part.strip() for part in text.partition(","))
        if not shot and not word:
            continue
        if not shot.isdecimal() or int(shot) not in place:
            raise FormatError(path, f"line {line} is of the shot {shot!r:.40}, which this store does not have")
        check_class(word)
        out[place[int(shot)]] = number(classes, word)
    return out
