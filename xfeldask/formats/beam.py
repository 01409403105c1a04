"""Beam files of skopi and CrystFEL (`.beam`): ``beam/photon_energy = 4600`` and the like."""

from __future__ import annotations

import math
import os

from xfeldask.errors import FormatError
from xfeldask.formats.text import read_lines

_KEYS = {
    "beam/photon_energy": "photon_energy",
    "beam/photonsPerShot": "photons_per_pulse",
    "beam/fluence": "photons_per_pulse",
    "beam/radius": "focus_radius",
}
_UNITS = {"photon_energy": "eV", "photons_per_pulse": "photons", "focus_radius": "m"}


def read_beam(path: str | os.PathLike[str]) -> dict[str, float]:
    r"""Read a beam file.

    Parameters
    ----------
    path : a text file of ``key = value``; what follows ``#`` or ``;`` is a comment, other keys are ignored

    Returns
    -------
    dict
        ``photon_energy`` [eV], ``photons_per_pulse`` (keys ``beam/photonsPerShot`` or ``beam/fluence``),
        ``focus_radius`` [m] (``beam/radius``, a radius as in skopi, not a diameter).

    Raises
    ------
    MissingFileError
        No such file.
    FormatError
        A key that is missing or given twice, or a value that is not a positive number.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "a.beam")
    >>> text = "beam/photon_energy = 4600; eV\nbeam/fluence = 1e12\nbeam/radius = 0.5e-6"
    >>> _ = path.write_text(text)
    >>> read_beam(path)
    {'photon_energy': 4600.0, 'photons_per_pulse': 1000000000000.0, 'focus_radius': 5e-07}
    """
    found: dict[str, float] = {}
    for number, line in enumerate(read_lines(path, "beam file"), 1):
        words = line.split("#")[0].split(";")[0].replace("=", " ", 1).split()
        if not words or words[0] not in _KEYS:
            continue
        name = _KEYS[words[0]]
        if name in found:
            raise FormatError(path, f"{words[0]} gives the {_spoken(name)} a second time; keep one", number)
        found[name] = _positive(path, number, words, _UNITS[name])
    for key, name in _KEYS.items():
        if name not in found:
            raise FormatError(path, f"has no {_spoken(name)}; add a line '{key} = ...' [{_UNITS[name]}]")
    return found


def _positive(path: str | os.PathLike[str], number: int, words: list[str], unit: str) -> float:
    try:
        (text,) = words[1:]
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        told = " ".join(words[1:])
        raise FormatError(path, f"{words[0]} is {told!r}; give one positive number [{unit}]", number)
    return value


def _spoken(name: str) -> str:
    return name.replace("_", " ")
