"""Labels of two pages at once: none is lost."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from xfeldask.errors import InputError, StoreBusyError
from xfeldask.explorer.model.labels import Keeper
from xfeldask.schema import OTHER
from xfeldask.store.layout import Layout, create_template
from xfeldask.store.results import labels
from xfeldask.store.results.labels import LABELS, MOST, NO_LABEL, classes_of, read_labels, write_labels
from xfeldask.store.run import Run

SINGLE, BLANK = LABELS["single"], LABELS["blank"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    layout = Layout(5, (1, 4, 4), (2, 2), (4, 4), 1, "uint8", False, 2)
    create_template(tmp_path / "run.zarr", layout, {"shot": np.arange(5)}, {"title": "a run"})
    return Run.open(tmp_path / "run.zarr")


def test_write_labels__of_one_person_at_once_refuses_the_second(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    raised = list[Exception]()

    def second() -> None:
        try:
            write_labels(run, "anna", {1: "single"})
        except StoreBusyError as error:
            raised.append(error)

    def read_late(of: Run) -> dict:
        found = read_labels(of)
        if threading.current_thread() is threading.main_thread():
            other = threading.Thread(target=second)
            other.start()
            other.join()
        return found

    monkeypatch.setattr(labels, "read_labels", read_late)
    write_labels(run, "anna", {0: "blank"})
    assert "labels/anna is being written" in str(raised[0])
    assert read_labels(run)["anna"].values.tolist() == [BLANK, *[NO_LABEL] * 4]


def test_keeper__writes_what_failed_with_what_comes_next(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[str]()
    keeper = Keeper(run, told.append)

    def full(*_: object) -> None:
        raise InputError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("xfeldask.explorer.model.labels.write_labels", full)
        keeper.keep("anna", {0: "single", 1: "single"})
        keeper.wait()
    assert told == ["the disk is full"]
    keeper.keep("anna", {1: "blank"})
    keeper.wait()
    assert told == ["the disk is full", ""]
    assert read_labels(run)["anna"].values.tolist() == [SINGLE, BLANK, *[NO_LABEL] * 3]


def damage(run: Run, person: str) -> None:
    (chunk,) = (run.path / "labels" / person / "label" / "c").iterdir()
    chunk.write_bytes(bytes(chunk.stat().st_size))


def test_keeper__writes_labels_of_others_where_those_of_one_are_damaged(run: Run) -> None:
    write_labels(run, "anna", {0: "blank"})
    damage(run, "anna")
    told = list[str]()
    keeper = Keeper(run, told.append)
    keeper.keep("anna", {1: "single"})
    keeper.wait()
    keeper.keep("carl", {2: "single"})
    keeper.wait()
    assert len(told) == 2
    for fault in told:
        assert fault.startswith("label by anna cannot be read")
        assert "xfeldask verify" in fault
    assert read_labels(run)["carl"].values.tolist() == [*[NO_LABEL] * 2, SINGLE, *[NO_LABEL] * 2]


def test_keeper__goes_on_after_a_fault_that_nobody_foresaw(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = list[str]()
    keeper = Keeper(run, told.append)

    def broken(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("xfeldask.explorer.model.labels.write_labels", broken)
        keeper.keep("anna", {0: "single", 1: "single"})
        keeper.wait()
    assert told == ["RuntimeError"]
    assert "labels of anna cannot be written" in caplog.text
    keeper.keep("anna", {1: None})
    keeper.wait()
    assert told == ["RuntimeError", ""]
    assert read_labels(run)["anna"].values.tolist() == [SINGLE, *[NO_LABEL] * 4]


def test_write_labels__keeps_a_class_of_ones_own_as_long_as_a_shot_has_it(run: Run) -> None:
    write_labels(run, "anna", {0: "ice", 1: "single", 2: "dimer"})
    write_labels(run, "anna", {0: None, 3: "dimer", 4: "smear"})
    stored = read_labels(run)["anna"]
    classes = classes_of(stored)
    assert [*classes] == [*LABELS, "dimer", "smear"]
    names = {value: name for name, value in classes.items()} | {NO_LABEL: None}
    assert [names[value] for value in stored.values.tolist()] == [None, "single", "dimer", "dimer", "smear"]


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({0: "my ice"}, "name of a class is letters"),
        ({0: "none"}, "without a label"),
        ({5: "single"}, "shots 0 to 4"),
        ({-1: "single"}, "shots 0 to 4"),
    ],
)
def test_write_labels__refuses_what_cannot_be(run: Run, labels: dict, told: str) -> None:
    with pytest.raises(InputError, match=told):
        write_labels(run, "anna", labels)
    assert read_labels(run) == {}


def test_number__of_too_many_classes_is_refused() -> None:
    classes = dict(LABELS)
    for i in range(MOST - OTHER):
        labels.number(classes, f"class_{i}")
    assert sorted(classes.values()) == [*range(MOST + 1)]
    with pytest.raises(InputError, match="can name 124 classes"):
        labels.number(classes, "one_more")
