"""Files that a visitor takes away, against the selection itself."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.explorer.browsing import WAIT, Visit
from tests.rarely import rarely
from xfeldask.store.choosing.columns import Shots

WHERE = "photon_count > 800"


@pytest.fixture
def export(page: Visit) -> Iterator[Visit]:
    """The export tab, of a page on which some shots are selected."""
    field = page.page.get_by_label("select where")
    field.fill(WHERE)
    field.press("Enter")
    page.until("where => new URLSearchParams(location.search).get('where') == where", WHERE)
    page.tab("export")
    yield page
    page.clear()


def taken(page: Visit, name: str, folder: Path) -> Path:
    """What the browser saves by a button."""
    with page.page.expect_download(timeout=WAIT) as download:
        page.page.get_by_role("button", name=re.compile(rf"{re.escape(name)}$", re.IGNORECASE)).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_shots__are_those_selected_at_each_click(export: Visit, shots: Shots, tmp_path: Path) -> None:
    wanted = np.flatnonzero(shots.column("photon_count").values > 800)
    assert 0 < len(wanted) < shots.n_shots
    first = taken(export, "shots.npy", tmp_path)
    assert first.name == "whole-pairs-shots.npy"
    np.testing.assert_array_equal(np.load(first), wanted)
    first.unlink()
    np.testing.assert_array_equal(np.load(taken(export, "shots.npy", tmp_path)), wanted)
    with taken(export, "shots.csv", tmp_path).open(newline="") as file:
        assert [int(row["shot"]) for row in csv.DictReader(file)] == wanted.tolist()


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("quantities.csv", b"shot,"),
        ("patterns-emc.zip", b"PK"),
        rarely("means.h5", b"\x89HDF"),
        rarely("report.html", b"<!doctype"),
    ],
)
def test_larger_files__are_saved_when_they_are_made(export: Visit, name: str, begin: bytes, tmp_path: Path) -> None:
    found = taken(export, name.replace("-emc", ""), tmp_path)
    assert found.name == f"whole-pairs-{name}"
    assert found.read_bytes().startswith(begin)


@pytest.mark.parametrize(("kind", "begin"), [("png", b"\x89PNG"), rarely("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_latent_plot__is_of_the_kind_that_was_chosen(export: Visit, kind: str, begin: bytes, tmp_path: Path) -> None:
    export.page.get_by_role("button", name=kind, exact=True).click()
    found = taken(export, f"latent plot.{kind}", tmp_path)
    assert found.name == f"whole-pairs.{kind}"
    content = found.read_bytes()
    assert content.startswith(begin)
    if kind != "pdf":
        # metadata of a pdf are compressed
        assert json.dumps(WHERE).strip('"').replace(">", "&gt;" if kind == "svg" else ">").encode() in content
