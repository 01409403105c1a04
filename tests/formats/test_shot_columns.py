from __future__ import annotations

import h5py
import numpy as np
import pytest

from xfeldask.formats.shot_columns import columns_of_group, from_experiment_identifiers, name_of, values_of
from xfeldask.schema import GROUPS


@pytest.fixture
def file():
    with h5py.File("run.h5", "w", driver="core", backing_store=False) as found:
        yield found


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("trainId", "train"),
        ("pulseID", "pulse"),
        ("vds_index", "event"),
        ("hit-score", "hit_score"),
        # names of our own variables, and what is no name, are told from ours
        ("photon_count", "file_photon_count"),
        ("verdict", "file_verdict"),
        *((name, f"file_{name}") for name in (*GROUPS, "c0", "c12")),
        ("c", "c"),
        ("cost0", "cost0"),
        ("2nd", "file_2nd"),
        ("größe", "file_gr__e"),
    ],
)
def test_name_of__is_an_identifier_that_nothing_in_a_store_has(theirs, ours):
    if theirs != "größe":
        assert name_of(theirs) == ours
    assert name_of(theirs).isidentifier()


def test_columns__are_what_has_a_value_for_each_shot(file):
    file["a/energy"] = [1.0, 2.0, 3.0]
    file["a/energy"].attrs["units"] = np.bytes_("eV")
    file["a/mean"] = 2.0
    file["a/frames"] = np.zeros((3, 2, 2))
    file["b/trainId"] = [7, 8, 9]
    file["b/sample"] = ["x", "y", "z"]
    file["b/when"] = np.zeros(3, [("s", int), ("ns", int)])
    found = columns_of_group(file, 3)
    assert {name: column.values.tolist() for name, column in found.items()} == {
        "energy": [1, 2, 3], "train": [7, 8, 9], "sample": ["x", "y", "z"],
    }  # fmt: skip
    assert (found["energy"].units, found["sample"].units) == ("eV", "1")
    assert (found["energy"].identifier, found["train"].identifier) == (False, True)


def test_columns__of_one_name_are_the_first_and_skipped_groups_are_none(file):
    file["a/score"], file["b/score"], file["c/energy"] = [1, 1], [2, 2], [3, 3]
    assert columns_of_group(file, 2)["file_score"].values.tolist() == [1, 1]
    assert set(columns_of_group(file, 2, skip=("score",))) == {"energy"}
    assert columns_of_group(file, 2, skip=("a",))["file_score"].values.tolist() == [2, 2]
    assert columns_of_group(file, 2, skip=("a", "b", "c")) == {}


def test_values__of_text_that_is_damaged_are_text(file):
    file.create_dataset("text", data=[b"good", b"b\xffd"], dtype=h5py.string_dtype("utf-8", 4))
    found = values_of(file["text"])
    assert found.tolist() == ["good", "b\N{REPLACEMENT CHARACTER}d"]
    assert found.dtype == np.dtypes.StringDType()


@pytest.mark.parametrize("bad", ["p007927_r0042_t1500", "r0042_t1500_c12", "p1_r2_t3_c4_more", ""])
def test_identifiers__that_are_not_all_of_that_form_tell_nothing(bad):
    good = "p007927_r0042_t1500_c12"
    assert from_experiment_identifiers(np.array([good, bad])) == {}
    found = from_experiment_identifiers(np.array([good, "p007927_r0043_t1501_p7"]))
    assert {name: column.values.tolist() for name, column in found.items()} == {
        "run": [42, 43], "train": [1500, 1501], "cell": [12, 7],
    }  # fmt: skip
