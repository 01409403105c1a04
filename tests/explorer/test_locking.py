"""Changes of a page by those who do not hold its lock."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from bokeh.document import Document

from xfeldask.explorer.view.locking import locked


def test_locked__makes_a_change_now_or_when_the_page_has_its_lock():
    done, asked = [], []
    locked(lambda: done.append(1))
    assert done == [1]
    served = Document()
    served._session_context = lambda: SimpleNamespace(session=None)
    served.add_next_tick_callback = asked.append
    locked(lambda: done.append(2), served)
    assert done == [1]
    asked[0]()
    assert done == [1, 2]


@pytest.mark.parametrize("closed", [False, True])
def test_locked__leaves_a_page_alone_that_is_being_closed(closed: bool) -> None:
    def add_next_tick_callback(change: Any) -> None:
        raise RuntimeError("dictionary changed size during iteration")

    page = SimpleNamespace(
        session_context=SimpleNamespace(destroyed=closed), add_next_tick_callback=add_next_tick_callback
    )
    changes: list[int] = []
    with nullcontext() if closed else pytest.raises(RuntimeError, match="changed size"):
        locked(lambda: changes.append(1), page)
    assert not changes
