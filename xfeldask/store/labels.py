"""Labels that people gave shots, by their names: ``/labels/<name>/label (shot)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.schema import BLANK, MULTIPLE, OTHER, SINGLE
from xfeldask.store.by_name import check_name, publish_by_name, read_by_name
from xfeldask.store.lock import held

if TYPE_CHECKING:
    from xfeldask.store.run import Run

WHO = "a person"
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
    StoreBusyError
        Another page writes labels of the same person at this moment.
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
    check_name(name, WHO)
    if any(not 0 <= shot < run.n_shots or label not in {NO_LABEL, *LABELS.values()} for shot, label in changes.items()):
        raise InputError(f"labels are {LABELS} or {NO_LABEL} for shots 0 to {run.n_shots - 1}, got {dict(changes)}")
    # what another page of the same person writes meanwhile would be lost
    with held(run.path, f"labels/{name}"):
        known = read_labels(run).get(name)
        labels = np.full(run.n_shots, NO_LABEL, np.int8) if known is None else known.values.astype(np.int8)
        labels[list(changes)] = list(changes.values())
        attributes = {
            "long_name": f"label by {name}",
            "flag_values": [NO_LABEL, *LABELS.values()],
            "flag_meanings": " ".join(["none", *LABELS]),
            "n_labelled": int((labels != NO_LABEL).sum()),
        }
        publish_by_name(run, "labels", name, "label", labels, attributes)
    return labels


def read_labels(run: Run) -> dict[str, xr.DataArray]:
    """Return the labels of a run by the name of who gave them, int8 (shot,); those of another run are left out."""
    return read_by_name(run, "labels", "label")


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
