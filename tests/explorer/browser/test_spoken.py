"""The page as those who hear it have it, by the rules of axe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.explorer.browsing import Server, Visit
from tests.explorer.more_store import with_more
from xfeldask.explorer.tabs import MORE, TABS

SERIOUS = ("serious", "critical")


def violations(page: Any) -> dict[str, list[str]]:
    """What is seriously wrong with a page that is being looked at: places by rule."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return {
        rule["id"]: [node["html"][:200] for node in rule["nodes"]] for rule in found if rule["impact"] in SERIOUS
    }  # fmt: skip


def test_page__has_no_serious_violation_in_either_theme(small: Visit) -> None:
    # a page on which few tabs have been opened, as each is drawn anew in the other theme
    small.tab("labels")
    assert settled(small.page) == {}
    small.page.get_by_role("button", name="Toggle theme").click()
    assert settled(small.page) == {}


def test_page__names_its_figures_and_says_what_is_selected(small: Visit) -> None:
    page = small.page
    for told in ("component 1 (count) over component 0 (count), a dot a shot", "reciprocal space, q (1/nm), photons"):
        page.get_by_role("figure", name=told, exact=True).first.wait_for()
    assert page.get_by_role("figure").count() == page.locator(".bk-Figure").count()
    page.get_by_role("status").filter(has_text="selected").wait_for()


@pytest.fixture(scope="module")
def all_tabs(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a store that has something for every tab."""
    folder = tmp_path_factory.mktemp("all")
    with Server(folder, [with_more(folder / "run.zarr")]) as server:
        yield server


@pytest.mark.campaign
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_tab__has_no_serious_violation(browser: Any, all_tabs: Server, scheme: str) -> None:
    visit = Visit(browser.new_page())
    visit.page.emulate_media(color_scheme=scheme)
    visit.open(all_tabs.address(shot=4))
    for name in (*TABS, *MORE):
        visit.tab(name)
        assert settled(visit.page) == {}, name
    visit.page.close()
    assert visit.faults == []
    assert all_tabs.faults() == ""


def settled(page: Any, looks: int = 20) -> dict[str, list[str]]:
    """Violations that are still there when the page has had time to name what was added to it."""
    found: dict[str, list[str]] = {}
    for _ in range(looks):
        found = violations(page)
        if not found:
            break
        page.wait_for_timeout(500)
    return found
