from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from xfeldask.engines.kept import MOST, Kept


@pytest.fixture
def shops() -> Kept[object]:
    """None kept yet."""
    return Kept()


def test_get__makes_a_thing_once_for_all_threads(shops):
    made, at_once = [], Barrier(8)

    def ask(_):
        at_once.wait(60)
        return shops.get(("a", ""), lambda: made.append(object()) or made[-1])

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert len(made) == 1
    assert all(one is made[0] for one in found)


def test_get__of_one_store_does_not_wait_for_another(shops):
    began, go = Event(), Event()

    def slow():
        began.set()
        assert go.wait(60)
        return "slow"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(shops.get, ("slow", ""), slow)
        assert began.wait(60)
        assert shops.get(("quick", ""), lambda: "quick") == "quick"
        shops.keep(("other", ""), "other")
        shops.drop(("slow", ""))
        go.set()
        assert first.result() == "slow"


def test_get__does_not_keep_a_failure(shops):
    def fails():
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        shops.get(("a", ""), fails)
    assert shops.get(("a", ""), lambda: "mended") == "mended"


def test_keep__lets_the_longest_unasked_go(shops):
    for name in "abc"[:MOST]:
        shops.keep((name, ""), name)
    assert shops.get(("a", ""), lambda: "anew") == "a"
    shops.keep(("z", ""), "z")
    assert shops.get(("a", ""), lambda: "anew") == "a"
    assert shops.get(("b", ""), lambda: "anew") == "anew"
