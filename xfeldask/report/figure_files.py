"""Figures as files of a person's choice: refused before work is done for them, written when it is."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure

from xfeldask.errors import InputError


def refuse_no_picture(path: Path) -> None:
    """Refuse a name that is none of a picture, or in no folder, before anything is worked out.

    Raises
    ------
    InputError

    Examples
    --------
    >>> refuse_no_picture(Path("judged.foo"))
    Traceback (most recent call last):
        ...
    xfeldask.errors.InputError: cannot write judged.foo: give it an ending of a picture, such as .png, .pdf or .svg
    """
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}")
    if path.suffix.lower().removeprefix(".") not in FigureCanvasBase.get_supported_filetypes():
        raise InputError(f"cannot write {path}: give it an ending of a picture, such as .png, .pdf or .svg")


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure, 150 dots per inch where it is made of dots.

    Raises
    ------
    InputError
        It cannot be written there.
    """
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write {path}: {error}") from error
