"""Detector geometry files of psana (`.data`): a tree of objects, each placed in the frame of its parent."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import FormatError, InputError
from xfeldask.formats.text import read_lines
from xfeldask.physics.detectors import MOST_PIXELS, Geometry, make_geometry
from xfeldask.physics.elementary import cosine_sine_of

_KNOWN = "PNCCD:V1 and MTRX:<rows>:<columns>:<row size um>:<column size um>"
_DECIMAL = r"(\d+\.?\d*|\.\d+)"
_MATRIX = re.compile(rf"MTRX:(\d+):(\d+):{_DECIMAL}:{_DECIMAL}")

_Key = tuple[str, int]


@dataclass(frozen=True)
class _Object:
    line: int
    parent: _Key
    key: _Key
    origin: NDArray[np.float64]
    turns: NDArray[np.float64]


def read_psana_geometry(path: str | os.PathLike[str]) -> Geometry:
    """Read a psana geometry file; panels in file order, z > 0 downstream as in skopi.

    At each level an object is turned by its z, y and x angle (design plus tilt), then moved to its
    origin. Segments known: PNCCD:V1 (512 x 512 pixels of 75 um) and MTRX with square pixels.

    Raises
    ------
    MissingFileError
        No such file.
    FormatError
        A line that cannot be read, a segment of an unknown type, or objects that make no tree.

    Notes
    -----
    LCLS Detector Geometry, https://confluence.slac.stanford.edu/display/PSDM/Detector+Geometry.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "0-end.data")
    >>> _ = path.write_text("IP:V1 0 MTRX:2:4:75:75 0  0 0 100000  0 0 0  0 0 0")
    >>> geometry = read_psana_geometry(path)
    >>> geometry.shape, geometry.pixel_position[0, 1, 3].round(9).tolist()
    ((1, 2, 4), [7.5e-05, 0.000225, 0.1])
    """
    lines = read_lines(path, "psana geometry file")
    objects = [
        _parse(path, number, line.split())
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    leaves = _leaves(path, objects)
    sizes = {_segment(path, leaf)[2] for leaf in leaves}
    shapes = {_segment(path, leaf)[:2] for leaf in leaves}
    if len(sizes) > 1 or len(shapes) > 1:
        raise FormatError(path, "has segments of different shapes or pixel sizes; split it into files of one kind")
    rows, columns = shapes.pop()
    if (n_pixels := len(leaves) * rows * columns) > MOST_PIXELS:
        raise FormatError(path, f"describes {n_pixels:,} pixels, more than {MOST_PIXELS:,}")
    chain = {item.key: item for item in objects}
    # psana looks upstream; skopi turns z over so that the detector lies downstream
    position = np.stack([_placed(path, leaf, chain) for leaf in leaves]) * np.array([1, 1, -1]) * 1e-6
    try:
        return make_geometry(position, sizes.pop() * 1e-6)
    except InputError as error:
        raise FormatError(path, str(error)) from error


def _parse(path: str | os.PathLike[str], number: int, words: list[str]) -> _Object:
    if len(words) != 13:
        raise FormatError(
            path,
            f"has {len(words)} words; give parent, index, object, index, x0 y0 z0 and six angles",
            number,
        )
    try:
        parent, key = (words[0], int(words[1])), (words[2], int(words[3]))
        values = np.array([float(word) for word in words[4:]])
    except ValueError as error:
        raise FormatError(path, f"cannot be read ({error}); indices and lengths are numbers", number) from None
    if not np.isfinite(values).all():
        raise FormatError(path, "holds a number that is not finite; correct it", number)
    origin = values[:3]
    if parent[0].split(":")[0] == "IP" and origin[2] > 0:
        origin = origin * np.array([1, 1, -1])
    return _Object(number, parent, key, origin, (values[3:6] + values[6:9]) / 360)


def _leaves(path: str | os.PathLike[str], objects: list[_Object]) -> list[_Object]:
    """Segments in file order below the only top object."""
    children: dict[_Key, list[_Object]] = {}
    for item in objects:
        children.setdefault(item.parent, []).append(item)
    keys: set[_Key] = set()
    placed: set[tuple[_Key, _Key]] = set()
    for item in objects:
        # segments may share a name under different parents, parents may not
        if (item.parent, item.key) in placed or (item.key in keys and item.key in children):
            raise FormatError(path, f"object {_name(item.key)} is placed a second time; keep one line", item.line)
        placed.add((item.parent, item.key))
        keys.add(item.key)
    tops = [key for key in children if key not in keys]
    if len(tops) != 1:
        told = ", ".join(map(_name, tops)) or "none"
        raise FormatError(path, f"must have one object that is nobody's child, has {told}; correct the parents")
    found: list[_Object] = []
    waiting, seen = list(reversed(children[tops[0]])), 0
    while waiting:
        item = waiting.pop()
        seen += 1
        waiting.extend(reversed(children.get(item.key, [])))
        if item.key not in children:
            found.append(item)
    if seen < len(objects):
        raise FormatError(path, f"{len(objects) - seen} objects are their own ancestors; correct their parents")
    return found


def _segment(path: str | os.PathLike[str], leaf: _Object) -> tuple[int, int, float]:
    """Rows, columns and pixel size [um] of a segment."""
    name = "MTRX:512:512:75:75" if leaf.key[0] == "PNCCD:V1" else leaf.key[0]
    found = _MATRIX.fullmatch(name)
    if found is None:
        raise FormatError(path, f"unknown segment type {name!r}; known: {_KNOWN}", leaf.line)
    rows, columns, size, other = int(found[1]), int(found[2]), float(found[3]), float(found[4])
    if size != other or not size or not rows or not columns:
        raise FormatError(path, f"segment {name!r} must have square pixels and at least one of them", leaf.line)
    return rows, columns, size


def _placed(path: str | os.PathLike[str], leaf: _Object, chain: dict[_Key, _Object]) -> NDArray[np.float64]:
    """Pixel centres of a segment in the top frame, (rows, columns, 3) [um]."""
    rows, columns, size = _segment(path, leaf)
    x, y = np.meshgrid(np.arange(rows) * size, np.arange(columns) * size, indexing="ij")
    z = np.zeros_like(x)
    item: _Object | None = leaf
    while item is not None:
        about_z, about_y, about_x = item.turns
        x, y = _turn(x, y, about_z)
        z, x = _turn(z, x, about_y)
        y, z = _turn(y, z, about_x)
        x, y, z = x + item.origin[0], y + item.origin[1], z + item.origin[2]
        item = chain.get(item.parent)
    return np.stack([x, y, z], axis=-1)


def _turn(
    a: NDArray[np.float64], b: NDArray[np.float64], turns: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    cosine, sine = cosine_sine_of(turns)
    return a * cosine - b * sine, b * cosine + a * sine


def _name(key: _Key) -> str:
    return f"{key[0]} {key[1]}"
