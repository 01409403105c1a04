from __future__ import annotations

from xfeldask.explorer.view.fields import choice


def test_choice__is_a_list_whose_arrow_is_seen_in_both_themes():
    found = choice(label="x", options={"photons": "photon_count", "score": "score"}, value="score", width=77)
    assert (found.value, found.width) == ("score", 77)
    assert any('fill="gray"' in sheet for sheet in found.stylesheets)
