"""Stores that lack something, that are not there, and whose names mean harm: a page that says so, and no fault."""

import re
import shutil

import pytest
import zarr

from tests.explorer.browser.conftest import SERVED
from tests.explorer.conftest import HITS, HOSTILE, TELL_THE_NAME, N
from tests.rarely import rarely
from xfeldask import simulate
from xfeldask.explorer.tabs import TABS
from xfeldask.schema import DONE, PENDING
from xfeldask.store import layout

SHARD = 8
"""Shots of a shard of the store that is being written."""


@pytest.fixture
def opened(visit, server):
    """Open the page of a kind of store."""
    return lambda kind, **query: visit.open(server.address(store=SERVED.index(kind), **query))


def turn_to(page, tabs):
    """With a shot that is pinned by the key of random ones."""
    page.page.keyboard.press("r")
    page.until("n => (new URLSearchParams(location.search).get('shot') ?? n) < n", N)
    for name in tabs:
        page.tab(name)
    assert f"{N:,} shots" in page.texts()


@pytest.mark.campaign  # tests/explorer/test_tabs.py makes each tab of such a store, and another opens them all
def test_without_an_embedding__every_tab_opens_and_says_how_to_make_one(opened):
    page = opened("no embedding")
    page.settle()
    turn_to(page, TABS)
    page.reads("xfeldask embed")
    assert f"drawn {N:,} of {N:,}" in page.texts()


# tests/explorer/test_tabs.py makes each tab of such a store, and looks for the name in all of them
@pytest.mark.parametrize("tabs", [(*TELL_THE_NAME, "verdict"), rarely(TABS)], ids=len)
def test_hostile_name_and_address_without_truth__are_text_in_every_tab_and_no_particles_are_shown(opened, tabs):
    page = opened(HOSTILE, embedding="pairs", x="<script>alert(1)</script>", shot=10**9, hidden='{"a": 1}', colour="3")
    page.settle()
    assert f"drawn {N:,} of {N:,}" in page.texts(), "words that are not known are passed over"
    assert page.image(0)[1]["visible"]
    assert [card["visible"] for card in page.ask("() => explorer.cards().map(explorer.image)")][1:2] in ([], [False])
    assert "truth " not in page.texts()
    turn_to(page, tabs)
    page.reads(HOSTILE)
    page.reads("does not tell the truth")
    assert page.page.locator('img[src="x"]').count() == 0
    assert page.ask("() => document.querySelectorAll('img[onerror]').length") == 0
    assert page.warnings == []


@pytest.mark.parametrize(
    ("query", "told"),
    [({"embedding": "nonsense"}, "unknown embedding 'nonsense'"), ({"where": "photon_count >"}, "cannot be read")],
)
def test_address_that_cannot_be_shown__is_a_sentence(opened, query, told):
    opened("whole", **query).reads(re.compile(re.escape(told)))


def test_no_store__is_a_sentence_on_a_page_that_can_be_left_for_another(opened, stores):
    page = opened("missing")
    page.reads("no store at")
    for here, there, told in (("missing", "empty", "is not a Zarr store"), ("empty", "no truth", f"{N:,} shots")):
        page.page.get_by_text(str(stores[here]), exact=True).click()
        page.page.get_by_role("menuitem", name=str(stores[there]), exact=True).click()
        page.page.wait_for_url(re.compile(rf"store={SERVED.index(there)}\b"))
        page.reads(told)


@pytest.fixture
def experiment(growing, monkeypatch):
    """What a store of four shards, of which one is done, was made by."""
    monkeypatch.setattr(layout, "SHARD_BYTES", SHARD * 64 * 64)
    experiment = {
        "particle": "chaperonin",
        "detector": "square-64",
        "n_shots": 4 * SHARD,
        "hits": HITS,
        "progress": False,
    }
    simulate(growing, **experiment)
    root = zarr.open_group(growing, mode="r+", use_consolidated=False)
    assert layout.layout_of(root).n_shards == 4
    root.attrs["complete"] = False
    root["shot_status"][SHARD:] = PENDING
    yield experiment
    shutil.rmtree(growing)


def test_store_being_written__is_followed(opened, growing, experiment):
    page = opened("growing")
    page.settle()
    page.reads(f"{SHARD} of {4 * SHARD} shots")
    page.ask("() => { window.stayed = true; }")
    zarr.open_group(growing, mode="r+", use_consolidated=False)["shot_status"][SHARD : 2 * SHARD] = DONE
    page.reads(f"{2 * SHARD} of {4 * SHARD} shots")
    simulate(growing, **experiment, resume=True)
    page.reads(re.compile(rf"^{4 * SHARD} shots"))
    page.reads(f"drawn {4 * SHARD} of {4 * SHARD}")
    assert page.ask("() => window.stayed"), "without being loaded anew"
