"""Assembled patterns as pictures, for people and slides."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from xfeldask.physics.detectors import assembled_index, assembled_shape
from xfeldask.store.choosing.chosen import Chosen

GAP = (0.5, 0.5, 0.5, 1.0)


def write_png(folder: Path, chosen: Chosen, advance: Callable[[int], None]) -> None:
    """Write a picture for each shot, ``shot_00000012.png``, on a logarithmic scale of its own; bad pixels are grey.

    Parameters
    ----------
    folder : Path, is made
    chosen : Chosen
    advance : callable, is told how many shots are done
    """
    import matplotlib as mpl  # takes a while to import
    from matplotlib.image import imsave

    folder.mkdir()
    geometry = chosen.run.geometry
    row, column = assembled_index(geometry)
    good = geometry.mask
    colors = mpl.colormaps["viridis"].with_extremes(bad=GAP)
    shots = iter(chosen.shots.tolist())
    for block in chosen.blocks():
        for frame in block:
            picture = np.full(assembled_shape(geometry), np.nan)
            picture[row[good], column[good]] = np.log1p(frame[good].astype(np.float64))
            top = max(np.nanmax(picture), 1e-9)
            pixels = colors(np.ma.masked_invalid(picture / top))
            # y grows upwards
            imsave(folder / f"shot_{next(shots):08d}.png", np.flipud(pixels))
            advance(1)


def is_picture(path: Path) -> bool:
    """Whether a file is one of those that `write_png` makes, by its name.

    Examples
    --------
    >>> is_picture(Path("pictures/shot_00000012.png")), is_picture(Path("pictures/notes.txt"))
    (True, False)
    """
    return re.fullmatch(r"shot_\d{8,}\.png", path.name) is not None
