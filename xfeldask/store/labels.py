"""Labels that people gave shots, by their names: ``/labels/<name>/label (shot)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.schema import BLANK, MULTIPLE, OTHER, SINGLE
from xfeldask.store.layout import RUN
from xfeldask.store.opening import child_groups, open_lazily
from xfeldask.store.publish import publish_group
from xfeldask.store.selections import NAME

if TYPE_CHECKING:
    from xfeldask.store.run import Run

NO_LABEL = -1
LABELS = {"single": SINGLE, "multiple": MULTIPLE, "blank": BLANK, "other": OTHER}
"""What a person can say of a shot, and how it is stored; `NO_LABEL` where nothing was said."""
COLUMN = "label_"
"""What the names of columns of labels begin with."""


def write_labels(run: Run, name: str, changes: Mapping[int, int]) -> NDArray[np.int8]:
    """Change labels of a person; those of other shots stay.

    Parameters
    ----------
    run : Run
    name : str, letters, digits and underscores
    changes : label by the shot's place in the store, one of `LABELS`, or `NO_LABEL` to take it back

    Returns
    -------
    int8 (shot,), all labels of that person

    Raises
    ------
    InputError
        A name that cannot be, a store that cannot be written, labels or shots that are not there.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from xfeldask.store.layout import Layout, create_template
    >>> from xfeldask.store.run import Run
    >>> path, layout = Path(tempfile.mkdtemp()) / "run.zarr", Layout(5, (1, 4, 4), (2, 2), (4, 4), 1, "uint8", False, 2)
    >>> _ = create_template(path, layout, {"shot": np.arange(5)}, {"title": "a run"})
    >>> run = Run.open(path)
    >>> _ = write_labels(run, "anna", {0: LABELS["single"], 3: LABELS["blank"]})
    >>> write_labels(run, "anna", {3: NO_LABEL, 4: LABELS["multiple"]}).tolist()
    [1, -1, -1, -1, 2]
    >>> list(read_labels(run))
    ['anna']
    """
    check_person(name)
    if any(not 0 <= shot < run.n_shots or label not in {NO_LABEL, *LABELS.values()} for shot, label in changes.items()):
        raise InputError(f"labels are {LABELS} or {NO_LABEL} for shots 0 to {run.n_shots - 1}, got {dict(changes)}")
    known = read_labels(run).get(name)
    labels = np.full(run.n_shots, NO_LABEL, np.int8) if known is None else known.values.astype(np.int8)
    labels[list(changes)] = list(changes.values())
    attributes = {
        "long_name": f"label by {name}",
        "flag_values": [NO_LABEL, *LABELS.values()],
        "flag_meanings": " ".join(["none", *LABELS]),
        "n_labelled": int((labels != NO_LABEL).sum()),
    }
    told = {} if run.identity is None else {RUN: run.identity}
    run.refuse_replaced()
    publish_group(run.path, f"labels/{name}", xr.Dataset({"label": ("shot", labels, attributes)}, attrs=told))
    return labels


def read_labels(run: Run) -> dict[str, xr.DataArray]:
    """Return the labels of a run by the name of who gave them, int8 (shot,); those of another run are left out."""
    found = {name: open_lazily(run.group, f"labels/{name}") for name in child_groups(run.group, "labels")}
    return {
        name: one["label"]
        for name, one in found.items()
        if one.attrs.get(RUN, run.identity) == run.identity and one.sizes["shot"] == run.n_shots
    }


def lessons(labels: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return labels as a rule learns from them: 1 a single hit, 0 anything else, -1 not known.

    Blanks are no lesson: a rule weighs hits.

    Examples
    --------
    >>> lessons(np.array([LABELS["single"], LABELS["multiple"], LABELS["other"], LABELS["blank"], NO_LABEL])).tolist()
    [1, 0, 0, -1, -1]
    """
    out = np.full(labels.shape, -1, np.int8)
    out[labels == SINGLE] = 1
    out[(labels == MULTIPLE) | (labels == OTHER)] = 0
    return out


def check_person(name: str) -> None:
    """Refuse what is no name.

    Raises
    ------
    InputError

    Examples
    --------
    >>> check_person("Anna K.")
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: a name is letters, digits and underscores, 64 at most, got 'Anna K.'
    """
    if not NAME.fullmatch(name):
        raise InputError(f"a name is letters, digits and underscores, 64 at most, got {name!r}")
