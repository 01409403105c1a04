from __future__ import annotations

import param
import pytest

from xfeldask.explorer.tabs.watch import Watch


class Looked(param.Parameterized):
    x = param.Integer(0)
    y = param.Integer(0)


@pytest.fixture
def looked():
    return Looked()


def hearing(watch, *names):
    heard = []
    watch(lambda *events: heard.append({event.name: event.new for event in events}), names)
    return heard


def test_watch__tells_as_parameters_change(looked):
    heard = hearing(Watch(looked), "x", "y")
    looked.x = 1
    looked.param.update(x=2, y=3)
    assert heard == [{"x": 1}, {"x": 2, "y": 3}]


def test_closed__tells_once_afterwards_the_last_of_each(looked):
    watch = Watch(looked)
    one, other = hearing(watch, "x", "y"), hearing(watch, "y")
    watch.close()
    looked.x, looked.x, looked.y = 1, 2, 3
    assert (one, other) == ([], [])
    watch.open()
    assert (one, other) == ([{"x": 2, "y": 3}], [{"y": 3}])
    watch.close()
    watch.open()
    assert len(one) == 1
    looked.x = 9
    assert one[-1] == {"x": 9}


def test_ended__tells_nothing_ever_again_and_is_forgotten(looked):
    watch = Watch(looked)
    heard = hearing(watch, "x")
    watch.close()
    looked.x = 1
    watch.end()
    watch.open()
    looked.x = 2
    assert heard == []
    other = hearing(Watch(looked), "x")
    looked.x = 3
    assert other == [{"x": 3}]
