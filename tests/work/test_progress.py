from __future__ import annotations

import re
import time
from io import StringIO

import pytest
from rich.console import Console

from xfeldask.work import progress
from xfeldask.work.progress import Bar, Lines, reporter


def test_lines__tell_now_and_then_and_at_the_end(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with Lines("simulating", 100, "shots") as lines:
        for second in (1, 2, 11, 12, 20):
            clock[0] = second
            lines.advance(20)
    assert capsys.readouterr().err.splitlines() == [
        "simulating: 60 of 100 shots, 5 /s",
        "simulating: 100 of 100 shots, 5 /s",
    ]


def test_reporter__is_silent_when_asked(capsys):
    for show in (False, True):
        with reporter("simulating", 1, "shots", show) as quiet:
            quiet.advance(1)
        assert bool(capsys.readouterr().err) == show


def test_telling__says_what_is_done_from_nothing_to_all():
    told = []
    with reporter("simulating", 30, "shots", lambda *words: told.append(words)) as telling:
        telling.advance(10)
        telling.advance(20)
    assert told == [("simulating", done, 30, "shots") for done in (0, 10, 30)]


def test_bar__shows_how_far_and_how_fast_on_a_terminal(monkeypatch):
    out = StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    monkeypatch.setattr(progress, "Console", lambda stderr: console)
    with reporter("embedding", 4, "shots", True) as bar:
        assert isinstance(bar, Bar)
        bar.advance(3)
        bar.advance(1)
    assert "4/4" in out.getvalue()
    assert re.search(r"shots  [\d,]+ /s", out.getvalue())


@pytest.mark.parametrize(("widgets", "kind"), [(None, Lines), (object(), Bar)])
def test_reporter__in_a_notebook_draws_a_bar_only_where_there_are_widgets(monkeypatch, widgets, kind):
    monkeypatch.setattr(progress, "Console", lambda stderr: Console(force_jupyter=True))
    monkeypatch.setattr(progress, "find_spec", lambda name: widgets)
    assert isinstance(reporter("embedding", 4, "shots", True), kind)


def test_lines__of_nothing_left_to_do_say_so(capsys):
    with Lines("verifying", 5, "shots") as lines:
        lines.advance(5)
    assert capsys.readouterr().err.startswith("verifying: 5 of 5 shots, ")
