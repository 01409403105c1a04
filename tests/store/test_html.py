from __future__ import annotations

from html.parser import HTMLParser

from xfeldask.store.html import run_html


class Read(HTMLParser):
    """What a browser makes of a text: its tags, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.words.append(data)


def test_html__is_a_title_and_a_row_for_each_fact():
    found = Read(run_html("run.zarr", {"shots": "4 of 4 done", "beam": "4600 eV"}))
    assert found.tags == ["b", "table", *["tr", "th", "td"] * 2]
    assert found.words == ["run.zarr", "shots", "4 of 4 done", "beam", "4600 eV"]
    assert Read(run_html("run.zarr", {})).tags == ["b", "table"]


def test_html__shows_hostile_names_as_text():
    hostile = "<script>alert('1 & 2')</script>\""
    found = Read(run_html(hostile, {hostile: hostile}))
    assert "script" not in found.tags
    assert found.words == [hostile] * 3
