"""Progress of long work: a bar on a terminal, a widget in a notebook that has widgets, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

SECONDS_BETWEEN_LINES = 10.0
Tell = Callable[[str, int, int, str], object]
"""Called with what is being done, how much of it is done, of how much, and of what."""


class Reporter(Protocol):
    """What long work tells; use it as a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def advance(self, amount: int) -> None:
        """Say that `amount` more is done."""


class Silent:
    """Tells nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def advance(self, amount: int) -> None:
        """Say nothing."""


class Bar:
    """A live bar; rich draws it as a widget in a notebook."""

    def __init__(self, title: str, total: int, unit: str, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(f"{unit}  {{task.fields[rate]}}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._unit, self._start, self._done = unit, time.monotonic(), 0
        self._task = self._bar.add_task(title, total=total, rate="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def advance(self, amount: int) -> None:
        """Move the bar."""
        self._done += amount
        rate = self._done / max(1e-9, time.monotonic() - self._start)
        self._bar.update(self._task, advance=amount, rate=f"{rate:,.0f} /s")


class Lines:
    """A line now and then, for logs."""

    def __init__(self, title: str, total: int, unit: str) -> None:
        self._title, self._total, self._unit = title, total, unit
        self._start = self._told = time.monotonic()
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def advance(self, amount: int) -> None:
        """Print a line if the last one is old enough, and at the end."""
        self._done += amount
        now = time.monotonic()
        if self._done < self._total and now - self._told < SECONDS_BETWEEN_LINES:
            return
        self._told = now
        rate = self._done / max(1e-9, now - self._start)
        print(
            f"{self._title}: {self._done:,} of {self._total:,} {self._unit}, {rate:,.0f} /s",
            file=sys.stderr,
            flush=True,
        )


class Telling:
    """Tells a function, at the beginning and whenever more is done.

    Examples
    --------
    >>> with Telling("simulating", 30, "shots", print) as told:
    ...     told.advance(10)
    ...     told.advance(20)
    simulating 0 30 shots
    simulating 10 30 shots
    simulating 30 30 shots
    """

    def __init__(self, title: str, total: int, unit: str, tell: Tell) -> None:
        self._title, self._total, self._unit, self._tell = title, total, unit, tell
        self._done = 0

    def __enter__(self) -> Self:
        self.advance(0)
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def advance(self, amount: int) -> None:
        """Tell what is done by now."""
        self._done += amount
        self._tell(self._title, self._done, self._total, self._unit)


def say(line: str, show: bool | Tell) -> None:
    """Print a line where progress is shown.

    Examples
    --------
    >>> say("on the CPU", False)
    """
    if show is True:
        print(line, file=sys.stderr, flush=True)


def reporter(title: str, total: int, unit: str, show: bool | Tell) -> Reporter:
    """Return the reporter that fits where the output goes, or that tells a function.

    Examples
    --------
    >>> [type(reporter("simulating", 30, "shots", show)).__name__ for show in (False, print)]
    ['Silent', 'Telling']
    """
    if callable(show):
        return Telling(title, total, unit, show)
    if not show:
        return Silent()
    console = Console(stderr=True)
    # without widgets rich warns at each bar, and shows none
    if find_spec("ipywidgets") if console.is_jupyter else console.is_terminal:
        return Bar(title, total, unit, console)
    return Lines(title, total, unit)
