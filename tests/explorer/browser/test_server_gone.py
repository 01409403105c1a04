"""What the browser tells: a server that dies, and one that comes back; the theme of the system."""

import pytest

from tests.explorer.browsing import Server, Visit
from tests.explorer.conftest import KINDS


def test_page__says_that_the_server_is_gone_and_loads_again_when_it_is_back(browser, stores, tmp_path):
    with Server(tmp_path, [stores["empty"]]) as server:
        visit = Visit(browser.new_page()).open(server.address(where="shot > 2"))
        alert = visit.page.locator("#connection-lost")
        assert alert.count() == 0
        port = server.port
    alert.wait_for()
    assert "no longer answers" in alert.inner_text()
    with Server(tmp_path, [stores["empty"]], port=port):
        alert.wait_for(state="detached")
        visit.reads("is not a Zarr store")
        assert visit.query() == {"where": "shot > 2"}
        visit.page.close()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_page__takes_the_theme_of_the_system(browser, server, theme):
    visit = Visit(browser.new_page())
    visit.page.emulate_media(color_scheme=theme)
    visit.open(server.address(store=KINDS.index("empty")))
    visit.reads("is not a Zarr store")
    visit.until(
        "dark => getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).every(c => c < 128) == dark",
        theme == "dark",
    )
    visit.page.close()
    assert visit.faults == []
