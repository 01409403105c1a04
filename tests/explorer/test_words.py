"""Quantities are called on the page by the words of the glossary."""

from __future__ import annotations

from tests.explorer.few_shots import pictures, session, texts
from xfeldask.explorer.model.listing import listed
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.model.words import WORDS, called
from xfeldask.explorer.tabs.export import export
from xfeldask.explorer.tabs.rebuilt import RebuiltView
from xfeldask.explorer.tabs.statistics import Statistics
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.widgets import named
from xfeldask.store.choosing.columns import Shots

SENTENCES = ("what was simulated", "what the shot is taken for", "looks like a single", "was fitted to the shot",
             "whether", "as seen along", "full pixels")  # fmt: skip


def test_words__take_the_place_of_the_sentences_that_a_store_keeps(shots: Shots) -> None:
    labels = {shots.column(name).label for name in shots.names()}
    assert labels >= WORDS.keys() - {"photons lost to full pixels"}
    looked = Session(shots.path, "pairs")
    told = [text for names in listed(looked, keep=looked.quantities).values() for text in names]
    assert not [text for text in told if any(sentence in text for sentence in SENTENCES)]
    assert {"hit · truth", "verdict", "confusion", "is_single · accepted", "fitted · used for the fit"} <= {*told}
    assert called(shots.column("size")) == "size (relative), first particle"


def test_named__writes_the_word_and_the_unit(shots: Shots) -> None:
    assert named(shots.shown("separation")) == "separation across the beam (nm)"


def test_words__of_tabs_are_those_of_the_glossary() -> None:
    looked = session()
    assert "All parameters are in the file's metadata." in texts(export(looked, pictures(), Watch(looked)))
    rebuilt = RebuiltView(looked, pictures())
    rebuilt.show(0)
    assert "% of its variance" in texts(rebuilt.view).replace("</b>", "")
    statistics = Statistics(looked, pictures(), looked.param.watch)
    assert statistics.make.label == "compute mean and sum"
    assert [card.figure.title.text for card in statistics.cards.values()] == ["mean", "standard deviation", "sum"]
