"""Files that a visitor takes away, against the store itself."""

from __future__ import annotations

import csv
import io
import re
import threading
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import panel_material_ui as pmui
import pytest

from tests.explorer.few_shots import texts
from tests.formats.emc_writer import sparse_bytes
from tests.tiny import frames, tiny_run
from xfeldask import export
from xfeldask.errors import InputError
from xfeldask.explorer.model import takeaway
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.model.takeaway import means_hdf5, patterns_zip, quantities_csv, report_html, table_bytes
from xfeldask.explorer.tabs import TABS
from xfeldask.explorer.tabs.export import FORMS
from xfeldask.explorer.tabs.taking import Taking
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.physics.detectors import square
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.run import Run
from xfeldask.verbs.export import FORMATS

N = 9
CHOSEN = np.array([1, 2, 7])
SHADED = replace(square(8, 1e-3, 0.1), mask=np.arange(64).reshape(1, 8, 8) % 7 > 0)


def silent(*_: Any) -> None:
    pass


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("takeaway") / "run.zarr"
    return tiny_run(path, frames(N, SHADED), SHADED, columns={"train": np.arange(100, 100 + N)})


def test_quantities__are_those_of_the_store(stores: dict[str, Path], shots: Shots) -> None:
    chosen = np.array([3, 5, 250])
    rows = list(csv.DictReader(io.StringIO(quantities_csv(shots, chosen).decode())))
    assert [int(row["shot"]) for row in rows] == chosen.tolist()
    by_name = {title.split(" [")[0]: title for title in rows[0]}
    assert set(by_name) == set(shots.names())
    for name, title in by_name.items():
        column = shots.column(name)
        words = dict(column.classes)
        for row, value in zip(rows, column.values[chosen], strict=True):
            if words:
                assert row[title] == words[int(value)]
            else:
                np.testing.assert_equal(type(value)(row[title]), value)
    assert "photon_energy [eV]" in rows[0]


def test_quantities__of_many_shots_take_little_more_memory_than_the_file(shots: Shots) -> None:
    chosen = np.repeat(np.arange(shots.n_shots), 25)
    quantities_csv(shots, chosen[:1])  # columns are read once
    tracemalloc.start()
    try:
        made = quantities_csv(shots, chosen)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made.count(b"\n") == 1 + len(chosen)
    assert made.splitlines()[-1] == quantities_csv(shots, chosen[-1:]).splitlines()[-1]
    assert most < 4 * len(made)


def test_quantities__tell_their_size_before_and_how_far_they_are(stores: dict[str, Path], shots: Shots) -> None:
    every, heard = np.arange(shots.n_shots), []
    made = quantities_csv(shots, every, lambda *what: heard.append(what))
    assert heard == [("writing", 0, shots.n_shots, "shots")]
    assert abs(table_bytes(shots, every) - len(made)) < 0.05 * len(made)
    assert table_bytes(shots, every[:3]) == len(quantities_csv(shots, every[:3]))
    looked = Session(stores["whole"], "pairs")
    tab = TABS["export"](looked, Pictures(looked.shots.run), Watch(looked))
    assert "MB" not in texts(tab)
    looked.choose_where("shot < 300")
    assert re.search(r"in the units that they take: about 0\.\d MB\.", texts(tab))


@pytest.mark.parametrize("kind", FORMATS)
def test_patterns__are_what_export_writes_of_the_shots(run: Run, kind: str, tmp_path: Path) -> None:
    told: list[tuple[Any, ...]] = []
    archive = zipfile.ZipFile(io.BytesIO(patterns_zip(run, CHOSEN, kind, None, lambda *what: told.append(what))))
    export(run.path, tmp_path / f"run{FORMATS[kind]}", where="shot == 1 or shot == 2 or shot == 7", format=kind,
           progress=False)  # fmt: skip
    files = {str(file.relative_to(tmp_path)): file for file in tmp_path.rglob("*") if file.is_file()}
    assert {name for name in archive.namelist() if not name.endswith("/")} == set(files)
    assert told[-1][1:3] == (3, 3)
    if kind == "emc":
        photons = np.asarray(run.array("photons")).reshape(N, -1)
        assert archive.read("run.emc") == sparse_bytes(photons[CHOSEN]) == files["run.emc"].read_bytes()
        assert archive.read("run_shots.txt").split() == [b"1", b"2", b"7"]


def test_patterns__too_many_for_a_browser_leave_by_the_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(takeaway, "MOST", 2)
    with pytest.raises(InputError, match=r"3 patterns are more than the 2 .* xfeldask export .*run.zarr --where"):
        patterns_zip(run, CHOSEN, "emc", None, silent)


def test_means__are_numpys_and_their_profile_leaves_bad_pixels_out(run: Run) -> None:
    photons = np.asarray(run.array("photons")).astype(float)[CHOSEN]
    with h5py.File(io.BytesIO(means_hdf5(run, CHOSEN, silent))) as file:
        np.testing.assert_array_equal(file["shot"][:], CHOSEN)
        np.testing.assert_array_equal(file["total"][:], photons.sum(0))
        np.testing.assert_allclose(file["mean"][:], photons.mean(0), rtol=1e-12)
        np.testing.assert_allclose(file["deviation"][:], photons.std(0), rtol=1e-12, atol=1e-12)
        assert {name: file[name].attrs["units"] for name in ("mean", "q")} == {"mean": "count", "q": "angstrom-1"}
        q, profile = file["q"][:], file["radial_mean"][:]
    good, width = SHADED.mask, q[1] - q[0]
    at = np.linalg.norm(np.asarray(run.array("q")), axis=-1)
    for middle, value in zip(q, profile, strict=True):
        ring = good & (at >= middle - width * 0.5) & (at < middle + width * 0.5)
        if ring.any() and not np.isclose(np.abs(at[good] - middle), width / 2, rtol=1e-6).any():
            assert value == pytest.approx(photons.mean(0)[ring].mean())
        elif not ring.any() and middle < q[-1]:
            assert np.isnan(value)
    assert np.isfinite(profile).sum() > 5


def test_report__is_one_file_of_the_embedding_that_is_looked_at(stores: dict[str, Path], shots: Shots) -> None:
    text = report_html(shots.run, "second").decode()
    assert text.startswith("<!doctype html>")
    assert "not sorted: 400" in text


def test_taking__makes_what_is_selected_at_the_click_and_tells_what_went_wrong(stores: dict[str, Path]) -> None:
    session, asked = Session(stores["whole"], "pairs"), iter([(b"content", ""), (b"", "no <room>")])

    def prepare() -> tuple[str, Any]:
        content, fault = next(asked)

        def make(tell: Any) -> bytes:
            tell("making", 1, 2, "things")
            if fault:
                raise InputError(fault)
            return content

        return "file.h5", make

    taking = Taking(session, "file", prepare)
    for expected in ("file.h5, 0.0 MB", "no &lt;room&gt;"):
        taking.start()
        assert taking.thread is not None
        taking.thread.join(30)
        assert taking.told.object == expected
        assert not taking.bar.visible
    assert (taking._file.filename, taking._file.visible) == ("file.h5", True)


def test_taking__ends_when_its_page_is_closed(stores: dict[str, Path]) -> None:
    begun, closed, ended = threading.Event(), threading.Event(), []

    def make(tell: Any) -> bytes:
        begun.set()
        assert closed.wait(30)
        tell("making", 1, 2, "things")
        ended.append("made to the end")
        return b""

    taking = Taking(Session(stores["whole"], "pairs"), "file", lambda: ("file.h5", make))
    taking.start()
    assert begun.wait(30)
    taking._close(None)
    closed.set()
    assert taking.thread is not None
    taking.thread.join(30)
    assert not taking.thread.is_alive()
    assert ended == []


def test_tab__names_files_by_what_is_looked_at(stores: dict[str, Path]) -> None:
    session = Session(stores["whole"], "pairs")
    session.choose_where("shot < 5")
    view = TABS["export"](session, Pictures(session.shots.run), Watch(session))

    def names() -> set[str]:
        return {file.filename for file in view.select(pmui.FileDownload)}

    assert {"whole-pairs-shots.npy", "whole-pairs.png"} <= names()
    session.reopen("second")
    assert {"whole-second-shots.npy", "whole-second.png"} <= names()


def test_forms__are_the_formats_of_export():
    assert set(FORMS.values()) == set(FORMATS)
