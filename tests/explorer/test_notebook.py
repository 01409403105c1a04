"""What a notebook shows of a store; tests/explorer/browser/test_lab.py shows it in JupyterLab without internet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui
import pytest
from bokeh.document import Document
from bokeh.models import ImportedStyleSheet
from panel import reactive
from panel.io import resources

from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view import notebook
from xfeldask.explorer.view.page import Explorer


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Panel is asked to load, once a notebook was loaded."""
    asked: list[Any] = []
    monkeypatch.setattr(pn, "extension", lambda **told: asked.append(told))
    for module in (reactive, resources):
        monkeypatch.setattr(module, "patch_stylesheet", resources.patch_stylesheet)
    notebook.load_notebook.__wrapped__()
    return asked


def shown(store: Path) -> tuple[pn.viewable.Viewable, Document]:
    view, document = Explorer(Session(store)).view(), Document()
    document.add_root(view.get_root(document))
    return view, document


def test_notebook__takes_scripts_from_what_is_installed(asked: list[Any]) -> None:
    assert asked == [{"inline": True}]


@pytest.mark.usefixtures("asked")
def test_notebook__looks_for_no_style_sheet_elsewhere_whenever_its_part_comes(stores: dict[str, Path]) -> None:
    view, document = shown(stores["whole"])
    (bar,) = view.select(pmui.Tabs)
    for name in ("latent space", "export"):
        bar.active = bar._names.index(name)
    sheets = list(document.select({"type": ImportedStyleSheet}))
    assert sheets
    assert [sheet.url for sheet in sheets if not sheet.url.startswith("data:text/css;base64,")] == []


def test_notebook__shows_two_pages_at_once(stores: dict[str, Path]) -> None:
    pages = [shown(stores["whole"]) for _ in range(2)]
    assert all(document.roots for _, document in pages)
