from __future__ import annotations

import pytest

from xfeldask.explorer.view.keys import Keys


@pytest.mark.parametrize("key", ["x", "Escape", None, 7, ["r"], {"r": 1}, "arrowleft"])
def test_keys__call_what_belongs_to_each_and_nothing_else(key):
    pressed = []
    keys = Keys({"r": lambda: pressed.append("r"), "ArrowLeft": lambda: pressed.append("left")})
    # a browser may send anything
    keys._handle_msg(key)
    assert pressed == []
    for known in ("ArrowLeft", "r", "r"):
        keys._handle_msg(known)
    assert pressed == ["left", "r", "r"]
