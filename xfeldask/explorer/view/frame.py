"""A page before there is anything of a store in it, which needs little to be imported."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import panel as pn
import panel_material_ui as pmui

from xfeldask.explorer.view.browser import Browser
from xfeldask.explorer.view.spoken import Spoken
from xfeldask.store.storage.urls import StorePath

LOW = {"& .MuiToolbar-root": {"minHeight": 48}}
"""The bar over the page leaves the window's height to what is looked at."""
DASK = "dask"
"""Address, on the explorer's own server, that leads to Dask's dashboard."""
WHITE = {"color": "white", "borderColor": "rgba(255, 255, 255, 0.6)"}
"""Of what stands in the bar over the page."""

EARLY = """
{% extends inner %}
{% block preamble %}
{{ super() }}
<link rel="preload" as="fetch" crossorigin="anonymous" href="{{ bundle }}">
{% endblock %}
{% block postamble %}
{{ super() }}
<script>importShim({{ bundle | tojson }});</script>
{% endblock %}
"""
"""Template of a page that is sent before there is anything in it; what scripts ask for last is asked for at once."""


def framed(header: Sequence[Any], **parts: Any) -> pmui.Page:
    """Make a page of parts, as of `pmui.Page`, with what it hears of its browser."""
    page = pmui.Page(**parts, sx=LOW)
    page.header = [*header, Browser(), Spoken()]
    if pn.state.curdoc is not None:
        # a session that the server has forgotten cannot be taken up again; `Browser` loads the page anew
        pn.state.curdoc.config.reconnect_session = False
    # not Panel's own: for that, each event of the pointer walks the whole page twice, and Panel keeps the page
    # for ever; a plain False would end the first but not the second
    mine = page.param.busy
    mine.constant = mine.readonly = False
    page.busy = pn.rx(False)  # type: ignore[no-untyped-call]
    return page


def message(text: str, stores: Sequence[StorePath] = (), here: int = 0) -> pmui.Page:
    """Make a page with a sentence, from which one can go to other stores."""
    alert = pmui.Alert(html.escape(text), severity="warning", margin=20)
    return framed(title="xfeldask", header=data_sets(stores, here), main=[alert])


def load_early(document: Any) -> None:
    """Let an empty page load what draws its widgets at once, not when the server has made what they are."""
    variables = {"inner": document.template, "bundle": pmui.Page._render_esm(server=True)}
    document.template_variables.update(variables)
    document.template = document.template.environment.from_string(EARLY)


def data_sets(stores: Sequence[StorePath], here: int) -> list[Any]:
    """Make the choice of stores, the one that is looked at by its place among them; nothing where there is but one."""
    if len(stores) < 2:
        return []
    names = {str(path): index for index, path in enumerate(stores)}
    choice = pmui.Select(options=names, value=here, size="small", width=260, sx=WHITE)

    def go(event: Any) -> None:
        if pn.state.location is not None:
            pn.state.location.param.update(search="?" + urlencode({"store": event.new}), reload=True)

    choice.param.watch(go, "value")
    return [choice]
