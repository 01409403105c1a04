"""What was read before a page is made is not read again for it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from xfeldask.explorer.model.nearest import Nearest
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view.page import Explorer
from xfeldask.explorer.view.warming import warm


def test_page__finds_what_all_its_pictures_need_where_the_store_is_warm(
    stores: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Path(shutil.copytree(stores["whole"], tmp_path / "run.zarr"))
    warm(store)

    def refuse(*what: Any) -> None:
        raise AssertionError(what)

    monkeypatch.setattr(Pictures, "_read_each", refuse)
    monkeypatch.setattr(Nearest, "__init__", refuse)
    assert Explorer(Session(store)).pattern.image.visible
