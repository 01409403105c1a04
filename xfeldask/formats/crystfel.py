"""Geometry files of CrystFEL (`.geom`): panels of an array, each with the place of its corner and the way of its rows.

The language is that of the manual page crystfel_geometry(5), https://www.desy.de/~twhite/crystfel/. What tells where
pixels are, which are bad for good, and a photon energy that is a number, is read; what tells of data, gain or masks in
other files is passed over.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import FormatError, InputError
from xfeldask.formats.text import read_lines
from xfeldask.physics.detectors import HC, MOST_PIXELS, Geometry, make_geometry

_LIMITS = ("min_fs", "max_fs", "min_ss", "max_ss")
_TERM = re.compile(r"([+-]?\s*(?:\d+\.?\d*|\.\d+)?(?:[eE][+-]?\d+)?)\s*([xyz])")
_NUMBER = re.compile(r"[+-]?\.?\d[^/]*$")
"""What is no place in a file."""
_BEAM = {
    "photon_energy": {"": 1.0, "eV": 1.0, "keV": 1e3, "MeV": 1e6},
    "wavelength": {"": 1.0, "m": 1.0, "A": 1e-10},
}
"""What tells of the beam, and its units in eV or m."""
Values = dict[str, str]


def is_crystfel_geometry(path: str | os.PathLike[str]) -> bool:
    r"""Whether a file gives panels a corner, as text.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "detector.geom"
    >>> _ = path.write_text("a/corner_x = -4.5\na/corner_y = 2\n")
    >>> is_crystfel_geometry(path)
    True
    """
    if not Path(path).is_file() or Path(path).stat().st_size > 2**25:
        return False
    content = Path(path).read_bytes()
    return b"\0" not in content and re.search(rb"^\s*[^;\s]*/?corner_x\s*=", content, re.MULTILINE) is not None


def read_crystfel_geometry(path: str | os.PathLike[str], distance: float | None = None) -> Geometry:
    """Read the pixels of a geometry file, shaped as the array that it describes: (module, ss, fs), or (1, ss, fs).

    A pixel's centre lies half a pixel from its corner along ss and fs. Pixels of the array that belong to no panel are
    masked, and put where the beam meets the detector.

    Parameters
    ----------
    path : path
    distance : float, optional, in the place of clen [m]

    Raises
    ------
    MissingFileError
        No such file.
    FormatError
        A value that is missing or cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "one.geom")
    >>> _ = path.write_text('''
    ... clen = 0.1
    ... res = 1000
    ... a/min_fs = 0
    ... a/max_fs = 3
    ... a/min_ss = 0
    ... a/max_ss = 1
    ... a/fs = +1.0x
    ... a/ss = +1.0y
    ... a/corner_x = -2
    ... a/corner_y = -1
    ... ''')
    >>> geometry = read_crystfel_geometry(path)
    >>> geometry.shape, geometry.pixel_position[0, 0, 3].round(6).tolist()
    ((1, 2, 4), [0.0015, -0.0005, 0.1])
    """
    panels, bad = _parsed(path)
    if distance is not None:
        panels = {name: {**values, "clen": str(distance), "coffset": "0"} for name, values in panels.items()}
    places = {name: _place(path, name, values) for name, values in panels.items()}
    shape = tuple(max(place[axis].stop for place in places.values()) for axis in range(3))
    if np.prod(shape) > MOST_PIXELS:
        raise FormatError(path, f"describes an array of {shape} pixels, more than {MOST_PIXELS:,}")
    sizes = {1 / _resolution(path, name, values) for name, values in panels.items()}
    if max(sizes) > 1.001 * min(sizes):
        raise FormatError(path, "has panels of different pixel sizes; split it into files of one kind")
    position, good = np.full((*shape, 3), np.nan), np.zeros(shape, np.bool_)
    for name, values in panels.items():
        if good[places[name]].any():
            raise FormatError(path, f"panel {name} lies on pixels of another panel of the array")
        position[places[name]] = _positions(path, name, values)
        good[places[name]] = values.get("no_index", "0") in ("0", "false")
    for name, values in bad.items():
        _mask_region(path, name, values, position, good, places, min(sizes))
    gap = np.isnan(position[..., 2])
    position[gap] = [0, 0, np.nanmean(position[..., 2])]
    try:
        return make_geometry(position, min(sizes), good)
    except InputError as error:
        raise FormatError(path, str(error)) from error


def read_crystfel_photon_energy(path: str | os.PathLike[str]) -> float | None:
    r"""Photon energy that a geometry file tells as a number, or as a wavelength [eV]; None where it tells none.

    A file may name a place in the files of frames instead of a number; that tells none. The last number counts.

    Raises
    ------
    MissingFileError
        No such file.
    FormatError
        A number that is not positive, or of another unit than eV, keV and MeV, or m and A.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "detector.geom")
    >>> _ = path.write_text("photon_energy = 9.3 keV ; nominal\n")
    >>> read_crystfel_photon_energy(path)
    9300.0
    """
    found = None
    for line in read_lines(path, "geometry file"):
        key, _, value = (part.strip() for part in line.partition(";")[0].partition("="))
        if key in _BEAM and _NUMBER.match(value):
            units, (number, *unit) = _BEAM[key], value.split()
            try:
                energy = float(number) * units.get(" ".join(unit), np.nan)
            except ValueError:
                energy = np.nan
            if not (np.isfinite(energy) and energy > 0):
                known = ", ".join(filter(None, units))
                raise FormatError(path, f"{key} is {value!r}; give a positive number of {known}, with a space between")
            found = energy if key == "photon_energy" else HC / energy
    return found


def _parsed(path: str | os.PathLike[str]) -> tuple[dict[str, Values], dict[str, Values]]:
    """Values of panels and of bad regions; what is told of all panels before one begins holds for it."""
    common: Values = {}
    panels: dict[str, Values] = {}
    bad: dict[str, Values] = {}
    for line in read_lines(path, "geometry file"):
        key, equals, value = (part.strip() for part in line.partition(";")[0].partition("="))
        if not equals or key.startswith(("rigid_group", "group")):
            continue
        name, slash, key = key.rpartition("/")
        if not slash:
            common[key] = value
        elif name.startswith("bad"):
            bad.setdefault(name, {})[key] = value
        else:
            panels.setdefault(name, dict(common))[key] = value
    if not panels:
        raise FormatError(path, "describes no panel; give a geometry file of CrystFEL")
    return panels, bad


def _number(path: str | os.PathLike[str], name: str, values: Values, key: str, default: float | None = None) -> float:
    text = values.get(key)
    if text is None and default is not None:
        return default
    try:
        found = float(str(text).split()[0])
    except (ValueError, IndexError):
        raise FormatError(path, f"{key} of {name} is {text!r}; give a number") from None
    if not np.isfinite(found):
        raise FormatError(path, f"{key} of {name} is {text!r}; give a finite number")
    return found


def _resolution(path: str | os.PathLike[str], name: str, values: Values) -> float:
    """Pixels of a panel per length [1/m]."""
    found = _number(path, name, values, "res")
    if found <= 0:
        raise FormatError(path, f"res of {name} is {values['res']!r}; give the pixels per metre, a positive number")
    return found


def _length(path: str | os.PathLike[str], name: str, values: Values, key: str, default: float | None = None) -> float:
    """Read a length in m, or in the unit that follows it, m or mm as CrystFEL has them [m]."""
    found, unit = _number(path, name, values, key, default), " ".join(values.get(key, "").split()[1:])
    if unit not in ("", "m", "mm"):
        raise FormatError(path, f"{key} of {name} is {values[key]!r}; give it in m or mm")
    return found * 1e-3 if unit == "mm" else found


def _place(path: str | os.PathLike[str], name: str, values: Values) -> tuple[slice, slice, slice]:
    """Where in the array (module, ss, fs) a panel lies."""
    min_fs, max_fs, min_ss, max_ss = (int(_number(path, name, values, key)) for key in _LIMITS)
    if not 0 <= min_fs <= max_fs or not 0 <= min_ss <= max_ss:
        raise FormatError(path, f"panel {name} goes from {min_ss}, {min_fs} to {max_ss}, {max_fs}; give its pixels")
    dims = [values[key] for key in sorted(values) if re.fullmatch(r"dim\d+", key)]
    modules = [int(dim) for dim in dims if dim.isdigit()]
    if len(modules) > 1:
        raise FormatError(path, f"panel {name} lies in an array of {len(dims)} dimensions; one module number is read")
    module = modules[0] if modules else 0
    return slice(module, module + 1), slice(min_ss, max_ss + 1), slice(min_fs, max_fs + 1)


def _vector(path: str | os.PathLike[str], name: str, values: Values, key: str) -> NDArray[np.float64]:
    """Read a direction such as ``-0.002x +1.0y``."""
    text, out = values.get(key, ""), np.zeros(3)
    terms = _TERM.findall(text)
    if not terms or _TERM.sub("", text).strip():
        raise FormatError(path, f"{key} of {name} is {text!r}; give a direction such as +1.0x -0.002y")
    for factor, axis in terms:
        number = factor.replace(" ", "")
        out["xyz".index(axis)] += float(f"{number}1" if number in ("", "+", "-") else number)
    return out


def _positions(path: str | os.PathLike[str], name: str, values: Values) -> NDArray[np.float64]:
    """Centres of a panel's pixels, float64 (1, ss, fs, 3) [m]."""
    fs, ss = (_vector(path, name, values, key) for key in ("fs", "ss"))
    corner = np.array([_number(path, name, values, "corner_x"), _number(path, name, values, "corner_y"), 0.0])
    _, rows, columns = _place(path, name, values)
    i, j = (np.arange(cut.stop - cut.start) + 0.5 for cut in (rows, columns))
    steps = corner + i[:, None, None] * ss + j[:, None] * fs
    away = _length(path, name, values, "clen") + _length(path, name, values, "coffset", 0.0)
    return np.asarray(steps / _resolution(path, name, values) + [0, 0, away])[None]


def _mask_region(
    path: str | os.PathLike[str], name: str, values: Values, position: NDArray[np.float64], good: NDArray[np.bool_],
    places: dict[str, Any], pixel_size: float,
) -> None:  # fmt: skip
    """Mask a bad region: pixels of a panel, or of the laboratory in units of pixels."""
    if any(key in values for key in _LIMITS):
        _, rows, columns = _place(path, name, values)
        panel = values.get("panel")
        if panel is not None and panel not in places:
            raise FormatError(path, f"{name} masks pixels of panel {panel}, which is not there")
        good[places[panel][0] if panel is not None else slice(None), rows, columns] = False
        return
    x, y = position[..., 0] / pixel_size, position[..., 1] / pixel_size
    low_x, high_x, low_y, high_y = (_number(path, name, values, key) for key in ("min_x", "max_x", "min_y", "max_y"))
    good &= ~((x >= low_x) & (x <= high_x) & (y >= low_y) & (y <= high_y))
