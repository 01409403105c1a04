"""Stores that lack something, that are not there, and whose names mean harm: a page that says so, and no fault."""

import re

import pytest
import zarr

from tests.explorer.browsing import Server
from tests.explorer.conftest import HITS, HOSTILE, KINDS, N
from xfeldask import simulate
from xfeldask.explorer.tabs import TABS
from xfeldask.schema import DONE, PENDING
from xfeldask.store import layout

# a robot on a busy machine is at times quicker than the page, and no person is
pytestmark = pytest.mark.flaky(reruns=2)

SHARD = 8
"""Shots of a shard of the store that is being written."""


@pytest.fixture
def opened(visit, server):
    """Open the page of a kind of store."""
    return lambda kind, **query: visit.open(server.address(store=KINDS.index(kind), **query))


@pytest.mark.parametrize("kind", ["whole", "no truth", "no embedding"])
def test_every_tab__opens_without_a_fault(opened, kind):
    page = opened(kind, shot=3)
    page.settle()
    for name in TABS:
        page.tab(name)
        page.page.wait_for_timeout(150)
        page.until("() => Bokeh.documents[0].is_idle")
    assert f"{N:,} shots" in page.texts()


def test_without_truth__the_particles_are_not_shown(opened):
    page = opened("no truth", embedding="pairs")
    page.settle()
    assert page.image(0)[1]["visible"]
    assert [card["visible"] for card in page.ask("() => explorer.cards().map(explorer.image)")][1:2] in ([], [False])
    assert "truth " not in page.texts()
    page.tab("verdict")
    page.reads("does not tell the truth")


def test_without_an_embedding__says_how_to_make_one(opened):
    page = opened("no embedding")
    page.settle()
    page.reads("xfeldask embed")
    assert f"drawn {N:,} of {N:,}" in page.texts()


@pytest.mark.parametrize(("kind", "told"), [("missing", "no store at"), ("empty", "is not a Zarr store")])
def test_no_store__is_a_sentence(opened, kind, told):
    opened(kind).reads(told)


def test_unknown_words_in_an_address__are_a_sentence_or_passed_over(opened):
    opened("whole", embedding="nonsense").reads("unknown embedding 'nonsense'")
    page = opened("whole", embedding="pairs", x="<script>alert(1)</script>", shot=10**9, hidden='{"a": 1}', colour="3")
    page.settle()
    assert f"drawn {N:,} of {N:,}" in page.texts()


def test_unreadable_selection_in_an_address__does_not_stop_the_page(opened):
    page = opened("whole", embedding="pairs", where="photon_count >")
    page.page.wait_for_timeout(500)
    assert "cannot be read" in page.texts() or "cannot be read" in page.page.locator("body").inner_text()


def test_hostile_name__is_text(opened):
    page = opened(HOSTILE)
    page.settle()
    for name in ("provenance", "export"):
        page.tab(name)
        page.page.wait_for_timeout(300)
    page.reads(HOSTILE)
    assert page.page.locator('img[src="x"]').count() == 0
    assert page.ask("() => document.querySelectorAll('img[onerror]').length") == 0


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_no_store__can_be_left_for_another(opened, stores, kind):
    page = opened(kind)
    page.page.get_by_text(str(stores[kind]), exact=True).click()
    page.page.get_by_role("menuitem", name=str(stores["no truth"]), exact=True).click()
    page.page.wait_for_url(re.compile(rf"store={KINDS.index('no truth')}\b"))
    page.reads(f"{N:,} shots")


@pytest.fixture
def growing(tmp_path, monkeypatch):
    """A store of four shards, of which one is done; and what it was made by."""
    monkeypatch.setattr(layout, "SHARD_BYTES", SHARD * 64 * 64)
    path = tmp_path / "growing"
    run = {"particle": "chaperonin", "detector": "square-64", "n_shots": 4 * SHARD, "hits": HITS, "progress": False}
    simulate(path, **run)
    root = zarr.open_group(path, mode="r+", use_consolidated=False)
    assert layout.layout_of(root).n_shards == 4
    root.attrs["complete"] = False
    root["shot_status"][SHARD:] = PENDING
    return path, run


def test_store_being_written__is_followed(visit, growing, tmp_path):
    path, run = growing
    with Server(tmp_path, [path]) as server:
        page = visit.open(server.address())
        page.settle()
        page.reads(f"{SHARD} of {4 * SHARD} shots")
        page.ask("() => { window.stayed = true; }")
        zarr.open_group(path, mode="r+", use_consolidated=False)["shot_status"][SHARD : 2 * SHARD] = DONE
        page.reads(f"{2 * SHARD} of {4 * SHARD} shots")
        simulate(path, **run, resume=True)
        page.reads(re.compile(rf"^{4 * SHARD} shots"))
        page.reads(f"drawn {4 * SHARD} of {4 * SHARD}")
        assert page.ask("() => window.stayed"), "without being loaded anew"
        assert page.faults == []
        assert server.faults() == ""
