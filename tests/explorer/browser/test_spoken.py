"""The page as those who hear it have it, by the rules of axe."""

from __future__ import annotations

from typing import Any

import pytest

from tests.explorer.browsing import Server, Visit
from xfeldask.explorer.tabs import TABS

SERIOUS = ("serious", "critical")


def violations(page: Any) -> dict[str, list[str]]:
    """What is seriously wrong with a page that is being looked at: places by rule."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return {
        rule["id"]: [node["html"][:200] for node in rule["nodes"]] for rule in found if rule["impact"] in SERIOUS
    }  # fmt: skip


def test_page__has_no_serious_violation(page: Visit) -> None:
    page.tab("labels")
    assert settled(page.page) == {}


@pytest.mark.campaign
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_tab__has_no_serious_violation_in_either_theme(visit: Visit, server: Server, scheme: str) -> None:
    visit.page.emulate_media(color_scheme=scheme)
    visit.open(server.address(embedding="pairs"))
    for name in TABS:
        visit.tab(name)
        assert settled(visit.page) == {}, name


def settled(page: Any, looks: int = 20) -> dict[str, list[str]]:
    """Violations that are still there when the page has had time to name what was added to it."""
    found: dict[str, list[str]] = {}
    for _ in range(looks):
        found = violations(page)
        if not found:
            break
        page.wait_for_timeout(500)
    return found
