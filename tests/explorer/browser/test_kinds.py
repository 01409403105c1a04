"""Kinds named, kept and thrown out in a store that may be written."""

from __future__ import annotations

import numpy as np

from tests.explorer.browsing import Server, Visit
from tests.explorer.more_store import with_more
from xfeldask import open_run


def test_kinds__are_named_and_kept_and_the_whole_page_knows(browser, tmp_path):
    path = with_more(tmp_path / "run.zarr")
    with Server(tmp_path, [path], allow_write=True) as server:
        visit = Visit(browser.new_page()).open(server.address(colour="kind"))
        visit.tab("kinds")
        visit.page.get_by_label("name", exact=True).nth(1).fill("ice")
        visit.page.get_by_label("name", exact=True).nth(1).press("Enter")
        visit.reads("of kind_0")
        visit.page.get_by_text("wanted", exact=True).nth(1).click()
        visit.reads("of kind_0 and ice")
        assert open_run(path).embedding().decision.kind_names is None  # until it is applied
        visit.page.get_by_role("button", name="apply").click()
        visit.reads("ice (")  # in the legend
        decision = open_run(path).embedding().decision
        assert (decision.kind_names, decision.wanted_kinds) == (("kind_0", "ice"), (0, 1))
        found = open_run(path).embedding().dataset()
        np.testing.assert_array_equal(found.is_single.values, found.kind.values >= 0)
        visit.page.close()
        assert visit.faults == []
        assert server.faults() == ""
