"""Labels of shots, wherever a person keeps them."""

from __future__ import annotations

import csv
import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import FormatError, InputError, UnknownNameError
from xfeldask.formats.text import load_array, read_lines
from xfeldask.schema import VARIABLES
from xfeldask.store.results.labels import LABELS, NO_LABEL, check_class, lessons, number, read_labels, values_of
from xfeldask.store.run import Run

COLUMNS = ("shot", "label")
"""Columns of a table of labels; it may have others, in any order."""


def given_labels(run: Run, labels: ArrayLike | str | os.PathLike[str]) -> NDArray[Any]:
    """Return labels as a rule learns from them.

    Parameters
    ----------
    run : Run, whose shots are labelled
    labels : int (shot,): 1 a single hit, 0 anything else, -1 not known; the path of a ``.npy`` file of that, or of a
        ``.csv`` table with the columns shot and label, as the explorer writes it; or the name of a person whose labels
        the store has, or else of a column of true and false that came with the shots, such as a tag of a CXI file:
        true is a single hit, false anything else

    Returns
    -------
    (shot,), as they were given; of words, int8 as of `lessons`

    Raises
    ------
    MissingFileError, FormatError, UnknownNameError
        There is no such file, it holds no such table, or nobody of that name gave labels.
    InputError
        They are labels of no hit.
    CorruptStoreError
        Labels of a person cannot be read.

    Examples
    --------
    >>> given_labels(None, [1, 0, -1]).tolist()
    [1, 0, -1]
    """
    if not isinstance(labels, str | os.PathLike):
        return np.asarray(labels)
    text = os.fspath(labels)
    if Path(text).suffix.lower() == ".csv":
        words = _table(run, text)
    elif Path(text).suffix.lower() == ".npy" or Path(text).name != text:
        return load_array(text, "labels")
    else:
        known = read_labels(run)
        if text not in known and (tags := _tags(run, text)) is not None:
            return tags
        if text not in known:
            none = (
                "nobody gave the shots of this store labels; give a file (.csv, .npy) or a column of tags, or label "
                "shots in the explorer"
            )
            raise UnknownNameError("name of who gave labels", text, known, none)
        words = values_of(known[text])
    found = lessons(words)
    if (found < 0).all():
        raise InputError(f"{text} labels no hit of {run.path}, so that nothing can be learned from it")
    return found


def _tags(run: Run, name: str) -> NDArray[np.int8] | None:
    """Return what a column of true and false that came with the shots says of them; None where there is none."""
    try:
        if name in VARIABLES or name not in run or not isinstance(run.group[name], zarr.Array):
            return None
    except OSError:  # a name that no file can have
        return None
    values = run.read(name)
    return values.astype(np.int8) if values.dtype == np.bool_ and values.shape == (run.n_shots,) else None


def _table(run: Run, path: str) -> NDArray[np.int8]:
    """Read labels from a table: absolute indices of shots, and words."""
    rows = csv.DictReader(line.lstrip("\ufeff") for line in read_lines(path, "table of labels"))
    rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
    if not {*COLUMNS} <= {*rows.fieldnames}:
        raise FormatError(path, "a table of labels has the columns shot and label; name them in its first line")
    place = {str(shot): at for at, shot in enumerate(run.read("shot"))}
    out, classes = np.full(run.n_shots, NO_LABEL, np.int8), dict(LABELS)
    for row in rows:
        shot, word = ((row[name] or "").strip() for name in COLUMNS)
        if not shot and not word:
            continue
        if shot not in place:
            raise FormatError(path, f"{shot!r:.40} is no shot of this store", rows.line_num)
        label = _number(path, rows.line_num, classes, word)
        if out[place[shot]] not in (NO_LABEL, label):
            raise FormatError(path, f"shot {shot} has two labels; leave one", rows.line_num)
        out[place[shot]] = label
    return out


def _number(path: str, line: int, classes: dict[str, int], word: str) -> int:
    """Return the number of a class; a word that is nearly that of another is a mistake, not a class of its own."""
    if (plain := word.lower()) in LABELS:
        return LABELS[plain]
    if near := get_close_matches(plain, LABELS, 1, 0.75):
        raise FormatError(path, f"{word!r} is not {near[0]}; write that, or another word for a class of your own", line)
    try:
        check_class(word)
        return number(classes, word)
    except InputError as error:
        raise FormatError(path, str(error), line) from error
