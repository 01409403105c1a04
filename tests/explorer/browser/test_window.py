"""How plots and tabs share windows of several sizes."""

from __future__ import annotations

import signal
from typing import Any

from tests.explorer.browsing import Server, Visit
from xfeldask.explorer.view.browser import WORKING
from xfeldask.explorer.view.theme import FIGURE, PARTS

PLACES = """
() => {
  const at = v => {
    const {left, top, right, bottom} = v.el.getBoundingClientRect();
    return {left, top, right, bottom};
  };
  const tabs = explorer.views().find(v => v.model?.name == "Tabs");
  return {tabs: at(tabs), cards: explorer.cards().slice(0, 2).map(at), plane: at(explorer.plane())};
}
"""

SQUARE = """
() => {
  const tiles = v => v.model.renderers.map(r => r.glyph.type).join() == "Image,Rect,Rect,Text";
  const seen = v => v.el.getBoundingClientRect().width > 0;
  const {frame, model: {x_range, y_range}} = explorer.plots().find(v => tiles(v) && seen(v));
  return frame.bbox.width / frame.bbox.height / (x_range.end - x_range.start) * (y_range.end - y_range.start);
}
"""
"""Width over height of the gallery's patterns."""

SCROLLED = """
() => {
  let at = explorer.views().find(v => v.model?.name == "Tabs").el;
  while (at && !(at.scrollTop > 0)) at = at.parentElement ?? at.getRootNode().host;
  return at != null;
}
"""


TO_THE_TOP = """
() => {
  let at = explorer.views().find(v => v.model?.name == "Tabs").el;
  while (at) { at.scrollTop = 0; at = at.parentElement ?? at.getRootNode().host; }
}
"""


def test_plots_and_tabs__are_used_at_once_at_1280_by_800(small: Visit) -> None:
    visit = small
    visit.tab("gallery")
    frame = visit.settle()
    visit.ask(TO_THE_TOP)
    found = visit.ask(PLACES)
    assert min(frame.width, frame.height) > 250
    assert all(card["bottom"] - card["top"] > 200 and card["right"] <= 1280 for card in found["cards"])
    assert found["tabs"]["bottom"] < 520, "the rest is the tab's"
    assert 0.98 < visit.ask(SQUARE) < 1.02
    # the tab is scrolled by itself: the plot and the bar of tabs stay
    visit.page.mouse.move(700, 700)
    visit.page.mouse.wheel(0, 2000)
    visit.until(SCROLLED)
    assert visit.ask(PLACES) == found


HISTOGRAMS = """
before => {
  const made = explorer.plots().filter(v => v.model.left.some(a => a.axis_label == "shots"));
  const sizes = made.flatMap(v => [v.frame.bbox.width, v.frame.bbox.height]);
  const fresh = !made.some(v => before.includes(v.model.id));
  return made.length == 3 && fresh && sizes.every(n => n > 150) && made.map(v => v.model.id);
}
"""
"""Those that were not there before, once each has room."""


def test_histograms__have_room_when_they_are_made_and_made_anew(browser: Any, server: Server) -> None:
    visit = Visit(browser.new_page())
    visit.open(server.address(embedding="pairs", shot="4"))
    visit.tab("histograms")
    first = visit.until(HISTOGRAMS, [])
    visit.page.get_by_label("logarithmic counts").click()
    visit.until(HISTOGRAMS, first)
    visit.page.close()
    assert visit.faults == []


LOW = """
() => {
  const bar = explorer.views().find(v => v.model?.name == "Tabs");
  const parts = explorer.views().find(v => v.child_views?.includes(bar));
  const within = v => [v, ...(v.child_views ?? []).flatMap(within)];
  return within(parts).filter(v => ["Column", "Row"].some(kind => v.model.type.endsWith(kind)))
    .map(v => v.el.scrollHeight - v.el.clientHeight).filter(less => less > 2);
}
"""
"""By how much parts of tabs are lower than what they hold [pixels], and so lie over what follows."""


def test_tab_of_labels__is_as_high_as_what_it_holds_and_its_bar_stays(small: Visit) -> None:
    visit = small
    visit.tab("labels")
    visit.settle()
    visit.ask(TO_THE_TOP)
    assert visit.ask(LOW) == []
    before = visit.ask(PLACES)["tabs"]
    visit.page.get_by_role("button", name="teach the rule").scroll_into_view_if_needed()
    visit.until(SCROLLED)
    assert visit.ask(PLACES)["tabs"] == before


def test_page__says_that_the_server_is_at_work_while_it_answers_late(small: Visit, server: Server) -> None:
    bar = small.page.get_by_role("progressbar", name=WORKING)
    clear = small.page.get_by_role("button", name="clear", exact=True)
    clear.click()
    bar.wait_for(state="hidden")
    server.process.send_signal(signal.SIGSTOP)
    try:
        clear.click()
        bar.wait_for(state="visible")
    finally:
        server.process.send_signal(signal.SIGCONT)
    bar.wait_for(state="hidden")


def test_list_of_keys__is_closed_by_a_key_that_does_nothing_else_then(page: Visit) -> None:
    page.settle()
    field = page.page.get_by_label("select where")
    field.fill("shot < 7")
    field.press("Enter")
    page.reads("7 selected")
    page.page.get_by_role("button", name="list of keys").click()
    page.page.get_by_role("dialog", name="list of keys").wait_for()
    page.page.keyboard.press("Escape")
    page.page.get_by_role("dialog", name="list of keys").wait_for(state="hidden")
    page.page.keyboard.press("?")
    page.page.get_by_role("dialog", name="list of keys").wait_for()
    page.page.keyboard.press("?")
    page.page.get_by_role("dialog", name="list of keys").wait_for(state="hidden")
    page.reads("7 selected")
    page.clear()


def test_plots_and_tabs__follow_each_other_where_there_is_no_room(visit: Visit, server: Server) -> None:
    # a laptop at a zoom of 200 %
    visit.page.set_viewport_size({"width": 640, "height": 400})
    visit.open(server.address(embedding="pairs"))
    frame = visit.settle()
    found = visit.ask(PLACES)
    assert frame.width > 400, "the sidebar is closed"
    assert found["plane"]["bottom"] <= 400
    first, second = found["cards"]
    assert found["plane"]["bottom"] <= first["top"]
    assert first["right"] <= second["left"] < second["right"] <= 640
    assert second["bottom"] <= found["tabs"]["top"]


OTHER_LOOKS = """
wanted => [explorer.plane(), ...explorer.cards().slice(0, 2)].flatMap(({model: m}) => {
  const beside = [m.title, ...m.above, ...m.below, ...m.left, ...m.right];
  const looks = part => Object.entries(wanted[Object.keys(wanted).find(kind => part.type.endsWith(kind))] ?? {});
  const other = part => looks(part).filter(([name, value]) => part[name] != value).map(([name]) => [part.type, name]);
  return [m, ...beside.filter(part => part?.type != "ToolbarPanel")].flatMap(part => part == null ? [] : other(part));
})
"""


def test_figures_of_the_first_page__had_the_looks_of_material_from_the_start(page: Visit) -> None:
    wanted = {"Figure": FIGURE} | {kind.__name__: looks for kind, looks in PARTS.items()}
    assert page.page.evaluate(OTHER_LOOKS, wanted) == []
