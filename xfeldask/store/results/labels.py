"""Labels that people gave shots, by their names: ``/labels/<name>/label (shot)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import CorruptStoreError, InputError, XfeldaskError, first_line
from xfeldask.schema import BLANK, MULTIPLE, OTHER, SINGLE
from xfeldask.store.results.by_name import check_name, publish_by_name, read_by_name
from xfeldask.store.storage.lock import held

if TYPE_CHECKING:
    import xarray as xr

    from xfeldask.store.run import Run

WHO, CLASS = "a person", "a class"
NO_LABEL, NONE = -1, "none"
LABELS = {"single": SINGLE, "multiple": MULTIPLE, "blank": BLANK, "other": OTHER}
"""What every person can say of a shot, and how it is stored; `NO_LABEL` where nothing was said."""
FIRST_OWN, MOST = OTHER + 1, 127
"""Numbers of the classes that a person names: from the first one that is free to the last one of int8."""
COLUMN = "label_"
"""What the names of columns of labels begin with."""


def write_labels(run: Run, name: str, changes: Mapping[int, str | None]) -> NDArray[np.int8]:
    """Change labels of a person; those of other shots stay.

    Words other than those of `LABELS` are classes of the person's own: their numbers are stored with their names, as
    CF's flags, as long as a shot has them.

    Parameters
    ----------
    run : Run
    name : str, letters, digits and underscores
    changes : label by the shot's place in the store, None to take it back

    Returns
    -------
    int8 (shot,), all labels of that person

    Raises
    ------
    StoreBusyError
        Another page writes labels of the same person at this moment.
    InputError
        A name that cannot be, a store that cannot be written, shots that are not there.
    CorruptStoreError
        The labels that the person gave before cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from xfeldask.store.layout import Layout, create_template
    >>> from xfeldask.store.run import Run
    >>> path, layout = Path(tempfile.mkdtemp()) / "run.zarr", Layout(5, (1, 4, 4), (2, 2), (4, 4), 1, "uint8", False, 2)
    >>> _ = create_template(path, layout, {"shot": np.arange(5)}, {"title": "a run"})
    >>> run = Run.open(path)
    >>> _ = write_labels(run, "anna", {0: "single", 3: "blank"})
    >>> write_labels(run, "anna", {3: None, 4: "ice"}).tolist()
    [1, -1, -1, -1, 4]
    >>> classes_of(read_labels(run)["anna"])
    {'single': 1, 'multiple': 2, 'blank': 0, 'other': 3, 'ice': 4}
    """
    check_name(name, WHO)
    for label in {*changes.values()} - {None}:
        check_class(str(label))
    if any(not 0 <= shot < run.n_shots for shot in changes):
        raise InputError(f"there are shots 0 to {run.n_shots - 1}, got labels of {sorted(changes)}")
    # what another page of the same person writes meanwhile would be lost
    with held(run.path, f"labels/{name}"):
        known = read_labels(run).get(name)
        labels = np.full(run.n_shots, NO_LABEL, np.int8) if known is None else values_of(known)
        classes = dict(LABELS) if known is None else classes_of(known)
        for label in changes.values():
            if label is not None:
                number(classes, label)
        labels[list(changes)] = [NO_LABEL if label is None else classes[label] for label in changes.values()]
        there = {NO_LABEL, *LABELS.values(), *np.unique(labels).tolist()}
        classes = {meaning: value for meaning, value in classes.items() if value in there}
        attributes = {
            "long_name": f"label by {name}",
            "flag_values": [NO_LABEL, *classes.values()],
            "flag_meanings": " ".join([NONE, *classes]),
            "n_labelled": int((labels != NO_LABEL).sum()),
        }
        publish_by_name(run, "labels", name, "label", labels, attributes)
    return labels


def read_labels(run: Run) -> dict[str, xr.DataArray]:
    """Return the labels of a run by the name of who gave them, int8 (shot,); those of another run are left out."""
    return read_by_name(run, "labels", "label")


def values_of(labels: xr.DataArray) -> NDArray[np.int8]:
    """Read stored labels, int8 (shot,).

    Raises
    ------
    CorruptStoreError
        Their bytes are damaged.

    Examples
    --------
    >>> import xarray as xr
    >>> values_of(xr.DataArray([1, -1])).tolist()
    [1, -1]
    """
    try:
        return labels.values.astype(np.int8)
    except XfeldaskError:
        raise
    except Exception as error:  # a decoder may raise anything on damaged bytes
        who, why = labels.attrs.get("long_name", "labels"), first_line(error)
        raise CorruptStoreError(f"{who} cannot be read ({why}); xfeldask verify names what is broken") from error


def classes_of(labels: xr.DataArray) -> dict[str, int]:
    """Return the number of each class that stored labels may have, by its name; a person's own classes come last.

    Examples
    --------
    >>> import xarray as xr
    >>> flags = {"flag_values": np.array([16], np.int8), "flag_meanings": "ice"}
    >>> classes_of(xr.DataArray([16], attrs=flags))["ice"]
    16
    """
    values = np.atleast_1d(labels.attrs.get("flag_values", [])).tolist()
    meanings = str(labels.attrs.get("flag_meanings", "")).split()
    return LABELS | {m: int(v) for m, v in zip(meanings, values, strict=False) if FIRST_OWN <= v <= MOST}


def check_class(name: str) -> None:
    """Refuse what can be no class of shots.

    Raises
    ------
    InputError

    Examples
    --------
    >>> check_class("ice")
    >>> check_class("none")
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: 'none' is what shots without a label have; choose another name for the class
    """
    check_name(name, CLASS)
    if name == NONE:
        raise InputError(f"{NONE!r} is what shots without a label have; choose another name for the class")


def number(classes: dict[str, int], name: str) -> int:
    """Return the number of a class; one that is not known yet gets the next one.

    Raises
    ------
    InputError
        There are too many classes.

    Examples
    --------
    >>> classes = dict(LABELS)
    >>> number(classes, "ice"), number(classes, "dimer"), number(classes, "ice"), number(classes, "single")
    (4, 5, 4, 1)
    """
    if name not in classes:
        free = sorted({*range(FIRST_OWN, MOST + 1)} - {*classes.values()})
        if not free:
            raise InputError(f"a person can name {MOST - OTHER} classes, and {name} would be one more")
        classes[name] = free[0]
    return classes[name]


def lessons(labels: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return labels as a rule learns from them: 1 a single hit, 0 anything else, -1 not known.

    Blanks are no lesson: a rule weighs hits. Classes that a person named are hits other than single ones.

    Examples
    --------
    >>> lessons(np.array([LABELS["single"], LABELS["multiple"], LABELS["other"], LABELS["blank"], NO_LABEL])).tolist()
    [1, 0, 0, -1, -1]
    >>> lessons(np.array([FIRST_OWN])).tolist()
    [0]
    """
    out = np.full(labels.shape, -1, np.int8)
    out[labels == SINGLE] = 1
    out[(labels == MULTIPLE) | (labels >= OTHER)] = 0
    return out
