"""Labels from a store, a table or an array: the same lessons."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.tiny import frames, tiny_run
from xfeldask.errors import FormatError, InputError, MissingFileError, UnknownNameError
from xfeldask.explorer.model.session import Session
from xfeldask.store.run import Run
from xfeldask.verbs.arguments.given_labels import given_labels

LESSONS = [1, 0, -1, 0, 0, -1]
"""Of what is labelled below: a blank is no lesson, a class of one's own is no single hit."""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return tiny_run(tmp_path / "run.zarr", frames(6))


def test_given_labels__are_the_same_by_name_and_from_the_explorers_table(run: Run, tmp_path: Path) -> None:
    labels = Session(run.path).labels
    labels.name_class("ice")
    for shot, word in enumerate(["single", "multiple", "blank", "other", "ice"]):
        labels.give(shot, word)
    labels.sign("anna")
    table = tmp_path / "labels.csv"
    table.write_bytes(labels.csv())
    assert given_labels(run, table).tolist() == LESSONS
    np.save(tmp_path / "labels.npy", np.array(LESSONS))
    assert given_labels(run, str(tmp_path / "labels.npy")).tolist() == LESSONS


def test_given_labels__of_a_name_are_those_of_the_store(run: Run) -> None:
    from xfeldask.store.results.labels import write_labels

    write_labels(run, "anna", {0: "single", 1: "multiple", 2: "blank", 3: "other", 4: "ice"})
    assert given_labels(run, "anna").tolist() == LESSONS
    with pytest.raises(UnknownNameError, match="did you mean anna"):
        given_labels(run, "ana")


def test_given_labels__of_a_tag_are_those_that_came_with_the_shots(tmp_path: Path) -> None:
    tags = {"sharp": np.array([True, False, False, True, True, False]), "mood": np.arange(6)}
    run = tiny_run(tmp_path / "tagged.zarr", frames(6), columns=tags)
    assert given_labels(run, "sharp").tolist() == [1, 0, 0, 1, 1, 0]
    for name in ("mood", "shot_status", "latent"):  # no tags
        with pytest.raises(UnknownNameError, match="or a column of tags"):
            given_labels(run, name)


def test_given_labels__go_by_the_absolute_index_of_a_shot(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("shot,label\n70, single\n\n50,multiple\n")
    part = SimpleNamespace(n_shots=3, read=lambda _: np.array([50, 60, 70]))
    assert given_labels(part, table).tolist() == [0, -1, 1]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffshot,label\r\n0,single\r\n1,Multiple\r\n",
        '"shot","label"\n"0","SINGLE"\n"1","multiple"\n',
        "label,why,shot\nsingle,clear,0\nmultiple,fringes,1\n",
        "Shot, Label,\n0,single,\n0,single,\n1,multiple,\n",
    ],
)
def test_given_labels__take_tables_as_others_write_them(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.CSV").write_bytes(text.encode())
    assert given_labels(run, tmp_path / "labels.CSV").tolist() == [1, 0, -1, -1, -1, -1]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("index,verdict\n1,single\n", FormatError, "has the columns shot and label"),
        ("", FormatError, "is empty"),
        ("shot,label\n1,single\n6,single\n", FormatError, "line 3: '6' is no shot of this store"),
        ("shot,label\n1.5,single\n", FormatError, "line 2: '1.5' is no shot"),
        ("shot,label\n1,a b\n", FormatError, "line 2: .*a b"),
        ("shot,label\n1,\n", FormatError, "line 2: .*letters"),
        ("shot,label\n1,none\n", FormatError, "line 2: 'none' is what"),
        ("shot,label\n1,singles\n", FormatError, "line 2: 'singles' is not single; write that"),
        ("shot,label\n1,single\n2,blank\n1,multiple\n", FormatError, "line 4: shot 1 has two labels"),
        ("shot,label\n" + "9" * 5000 + ",single\n", FormatError, "is no shot"),
        ("shot,label\n1,blank\n", InputError, "labels no hit"),
        ("shot,label\n", InputError, "labels no hit"),
    ],
)
def test_given_labels__refuse_other_tables(run: Run, tmp_path: Path, text: str, error: type, words: str) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(text)
    with pytest.raises(error, match=words):
        given_labels(run, table)


def test_given_labels__refuse_what_is_not_there(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="nobody gave the shots of this store labels"):
        given_labels(run, "anna")
    for name in ("labels.csv", "labels.npy", "labels"):
        with pytest.raises(MissingFileError, match=r"no (table of )?labels"):
            given_labels(run, tmp_path / name)
