"""Stores that lack something, that are not there, and whose names mean harm: a page that says so, and no fault."""

import pytest

from tests.explorer.conftest import HOSTILE, KINDS, N
from xfeldask.explorer.tabs import TABS

# a robot on a busy machine is at times quicker than the page, and no person is
pytestmark = pytest.mark.flaky(reruns=2)


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
