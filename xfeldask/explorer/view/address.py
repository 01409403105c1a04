"""The state of a page in its address: what somebody sees can be sent to somebody else."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import panel as pn

from xfeldask.explorer.model.session import Session

SHARED = {"x": str, "y": str, "colour": str, "hidden": list, "where": str, "outline": str, "shot": int,
          "checkpoint": int, "zoom": str, "rings": bool, "view": list}  # fmt: skip
"""Parameters of the session that an address carries, besides the embedding and the store."""
PAUSE = 600
"""After how long a view that rests is written into the address [ms]."""
OLD_NAMES = {"look": "checkpoint"}
"""Parameters that addresses carried under another name before."""


def read_address(query: Mapping[str, Any]) -> dict[str, Any]:
    """Read parameters of a session from an address; what cannot be one is passed over.

    Parameters
    ----------
    query : parameters of the address, parsed as JSON where they can be

    Examples
    --------
    >>> read_address({"x": "c2", "shot": "third", "hidden": ["blank", 3], "where": "c0 > 1", "admin": 1})
    {'x': 'c2', 'where': 'c0 > 1'}
    """
    query = {OLD_NAMES.get(name, name): value for name, value in query.items()}
    found = {name: query[name] for name, kind in SHARED.items() if isinstance(query.get(name), kind)}
    if not all(isinstance(meaning, str) for meaning in found.get("hidden", [])):
        del found["hidden"]
    if "view" in found:
        # neither what is no number nor what no float can hold
        numbers = [float(v) for v in found.pop("view") if isinstance(v, int | float) and abs(v) <= sys.float_info.max]
        found |= {"view": numbers} if len(numbers) == 4 else {}
    # to Python, yes and no are whole numbers
    return {name: value for name, value in found.items() if isinstance(value, bool) == (SHARED[name] is bool)}


def keep_address(session: Session) -> None:
    """Let the address of the page follow the session."""
    location = pn.state.location
    if location is None:
        return

    document: Any = pn.state.curdoc
    waiting: list[Any] = []

    def write(*_: Any) -> None:
        if waiting:
            document.remove_timeout_callback(waiting.pop())
        told = dict(location.query_params)
        for name in (*SHARED, "embedding"):
            told[name] = getattr(session, name)
            if told[name] == session.param[name].default:
                del told[name]
        location.search = "?" + urlencode({k: v if isinstance(v, str) else json.dumps(v) for k, v in told.items()})

    def soon(*_: Any) -> None:
        # each address is a step of the browser's history, and a turn of the wheel is many views
        while waiting:
            document.remove_timeout_callback(waiting.pop())
        waiting.append(document.add_timeout_callback(wrote, PAUSE))

    def wrote() -> None:
        waiting.clear()
        write()

    session.param.watch(write, [*(name for name in SHARED if name != "view"), "embedding"])
    session.param.watch(soon, ["view"])
