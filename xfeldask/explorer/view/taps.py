"""Taps on a figure, however quick or slow they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bokeh.events import DoubleTap, PointEvent, Press, Tap
from bokeh.plotting import figure

TAPS: tuple[type[PointEvent], ...] = (Tap, DoubleTap, Press)
"""What a tap is to Bokeh: the second of two that follow soon is a `DoubleTap`, even if it is elsewhere, and one that is
held for 0.3 s, or whose end a busy page hears that late, is a `Press`."""


def hear_taps(fig: figure, tapped: Callable[[Any], Any]) -> None:
    """Call a function with each tap on a figure, one of `TAPS`.

    Parameters
    ----------
    fig : figure
    tapped : called with the event, which has ``x``, ``y`` and ``modifiers``
    """
    for kind in TAPS:
        fig.on_event(kind, tapped)
