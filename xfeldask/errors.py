"""Every exception that xfeldask raises on purpose.

Each one inherits from `XfeldaskError` and from the builtin that a caller would expect. Arguments are
passed whole to `Exception.__init__` and the sentence is made in ``__str__``, so that all of them
survive pickling between processes.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable
from numbers import Integral, Real

WHOLE, NUMBER = Integral, Real
"""Kinds of numbers, those of NumPy too, as of `refuse_unlike`."""


def printable(text: object) -> str:
    r"""Return a text in one line, with all that a terminal acts on, or does not show, written out.

    Examples
    --------
    >>> print(printable("run\x1b[31m\n.zarr"))
    run\x1b[31m\n.zarr
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def command(*words: object) -> str:
    """Return a command in one line that a shell takes as it is, but for what a terminal does not show.

    Examples
    --------
    >>> print(command("xfeldask", "embed", "my runs/r0042.zarr"))
    xfeldask embed 'my runs/r0042.zarr'
    """
    return printable(shlex.join(map(str, words)))


def first_line(error: BaseException) -> str:
    r"""Return the first line of an error's text, or what kind of error it is where it has none.

    Examples
    --------
    >>> first_line(ValueError("this\nand that")), first_line(RuntimeError())
    ('this', 'RuntimeError')
    """
    return (str(error).strip() or type(error).__name__).split("\n")[0]


class XfeldaskError(Exception):
    """Base of all errors of this package.

    Examples
    --------
    >>> import xfeldask
    >>> try:
    ...     xfeldask.open_run("gone.zarr")
    ... except XfeldaskError as error:
    ...     print(error)
    no store at gone.zarr; make one with xfeldask simulate gone.zarr
    """


class InputError(XfeldaskError, ValueError):
    """A value that cannot be used; the message names it, its unit and what to do instead.

    Examples
    --------
    >>> from xfeldask.config import Hits
    >>> try:
    ...     Hits(single_fraction=99)
    ... except ValueError as error:
    ...     print(error)
    single_fraction: input should be less than or equal to 1, got 99; did you mean 0.99 (99 %)?
    """


class XfeldaskWarning(UserWarning):
    """Base of all warnings of this package; the command line prints them as one line."""


class FewPhotonsWarning(XfeldaskWarning):
    """A run of shots that are nearly all empty."""


class LostPhotonsWarning(XfeldaskWarning):
    """Pixels that held more photons than is kept of them."""


class FormatError(InputError):
    """A file that does not follow its format: ``FormatError(path, reason, line=None)``.

    Examples
    --------
    >>> print(FormatError("cell.geom", "corner_x is not a number", 12))
    cell.geom, line 12: corner_x is not a number
    """

    def __init__(self, path: object, reason: str, line: int | None = None) -> None:
        super().__init__(str(path), reason, line)

    def __str__(self) -> str:
        path, reason, line = self.args
        where = path if line is None else f"{path}, line {line}"
        return f"{where}: {reason}"


class UnknownNameError(InputError):
    """A name that is not known: ``UnknownNameError(kind, name, known)``; the nearest known ones are told.

    Where none is known, a fourth argument says what to do about it.

    Examples
    --------
    >>> print(UnknownNameError("feature", "count", ["counts", "radial_profile"]))
    unknown feature 'count'; did you mean counts?
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], none: str = "there is none") -> None:
        super().__init__(kind, name, tuple(known), none)

    def __str__(self) -> str:
        kind, name, known, none = self.args
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}" if known else none
        return f"unknown {kind} {name!r}; {hint}"


def refuse_unlike(what: str, kind: type, **values: object) -> None:
    """Refuse arguments that are neither None nor of a kind.

    Parameters
    ----------
    what : str, what a person calls the kind
    kind : type, such as `WHOLE` or `NUMBER`
    values : arguments, by name

    Raises
    ------
    InputError

    Examples
    --------
    >>> refuse_unlike("a whole number", WHOLE, starts=8, rotations=None)
    >>> refuse_unlike("a whole number", WHOLE, starts=1.5)
    Traceback (most recent call last):
    xfeldask.errors.InputError: starts must be a whole number, got 1.5
    """
    for name, value in values.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
            raise InputError(f"{name} must be {what}, got {value!r}")


class TooFewHitsError(InputError):
    """Fewer hits than a rule learns from."""


class MissingPhotonEnergyError(InputError):
    """Frames that do not tell the photon energy of their beam, where nobody else does."""


class MissingFileError(XfeldaskError, FileNotFoundError):
    """A file, store or entry that is not there; the message names the next thing to do.

    Examples
    --------
    >>> import xfeldask
    >>> try:
    ...     xfeldask.Experiment.from_toml("gone.toml")
    ... except FileNotFoundError as error:
    ...     print(error)
    no experiment file gone.toml; write one with: xfeldask config gone.toml
    """


class StoreExistsError(XfeldaskError, FileExistsError):
    """The store is there already and nobody asked to resume or overwrite it."""


class StoreBusyError(InputError):
    """Somebody else writes the store, or the group in it; the message names them."""


class IncompleteStoreError(InputError):
    """A store whose writing has not finished."""


class ExperimentMismatchError(InputError):
    """A resume with another experiment: ``ExperimentMismatchError(store, {key: (stored, asked)})``.

    Examples
    --------
    >>> print(ExperimentMismatchError("run.zarr", {"seed": (0, 7)}))
    run.zarr holds another experiment (seed: stored 0, asked 7); use another path, or overwrite=True
    """

    def __init__(self, store: object, differences: dict[str, tuple[object, object]]) -> None:
        super().__init__(str(store), differences)

    def __str__(self) -> str:
        store, differences = self.args
        told = "; ".join(f"{key}: stored {old!r}, asked {new!r}" for key, (old, new) in differences.items())
        return f"{store} holds another experiment ({told}); use another path, or overwrite=True"


class CorruptStoreError(XfeldaskError, ValueError):
    """Stored bytes that fail their checksum or contradict each other."""


class MemoryNeededError(InputError, MemoryError):
    """More memory than allowed: ``MemoryNeededError(what, needed, allowed, advice)``, sizes in bytes.

    Examples
    --------
    >>> print(MemoryNeededError("the form factor", 32_000_000_000, 8_000_000_000, "take a smaller particle"))
    the form factor needs 32.0 GB of memory, 8.0 GB are allowed; take a smaller particle
    """

    def __init__(self, what: str, needed: int, allowed: int, advice: str) -> None:
        super().__init__(what, needed, allowed, advice)

    def __str__(self) -> str:
        what, needed, allowed, advice = self.args
        return f"{what} needs {needed / 1e9:.1f} GB of memory, {allowed / 1e9:.1f} GB are allowed; {advice}"


class RunError(XfeldaskError, RuntimeError):
    """A run that was started properly and could not be finished; what was committed is kept."""


class UnreachableError(RunError):
    """A bucket that does not answer, or does not let one in; what is in it stays as it was."""
