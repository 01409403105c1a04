from __future__ import annotations

from types import SimpleNamespace

import panel as pn
import pytest
from bokeh.models import ColumnDataSource

from xfeldask.explorer.view import flow as module
from xfeldask.explorer.view.flow import LONGEST, Flow


@pytest.fixture
def sent():
    return []


@pytest.fixture
def flow(sent, monkeypatch):
    served = SimpleNamespace(session_context=SimpleNamespace(session=object()))
    monkeypatch.setattr(module, "pn", SimpleNamespace(state=SimpleNamespace(curdoc=served)))
    return Flow(ColumnDataSource({"image": []}), lambda wanted: sent.append(wanted) or wanted != "nothing")


def test_flow__sends_the_last_that_was_asked_for_when_the_one_before_was_taken(flow, sent):
    for wanted in (1, 2, 3):
        flow.ask(wanted)
    assert sent == [1]
    flow.taken()
    assert sent == [1, 3]
    flow.taken()
    flow.ask(4)
    assert sent == [1, 3, 4]


def test_flow__does_not_wait_for_what_was_not_sent(flow, sent):
    flow.ask("nothing")
    flow.ask(1)
    assert sent == ["nothing", 1]


def test_flow__goes_on_where_the_browser_does_not_answer(flow, sent, monkeypatch):
    flow.ask(1)
    later = module.time.monotonic() + LONGEST
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    flow.ask(2)
    assert sent == [1, 2]


def test_flow__does_not_wait_for_the_browser_of_a_page_that_is_being_made(flow, sent):
    module.pn.state.curdoc.session_context.session = None
    for wanted in (1, 2):
        flow.ask(wanted)
    assert sent == [1, 2]


def test_flow__without_a_browser_sends_all(sent):
    assert pn.state.curdoc is None
    flow = Flow(ColumnDataSource({"image": []}), lambda wanted: sent.append(wanted) or True)
    for wanted in (1, 2):
        flow.ask(wanted)
    assert sent == [1, 2]
