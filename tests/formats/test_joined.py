from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.errors import InputError
from xfeldask.formats.adu import PhotonizedFrames
from xfeldask.formats.frames import scattered
from xfeldask.formats.joined import JoinedFrames
from xfeldask.formats.shot_columns import ShotColumn
from xfeldask.formats.stacks import StackFrames, flat_panel
from xfeldask.physics.photonizing import make_correction

PANEL = flat_panel((2, 2), 1e-3, 0.1)
LENGTHS = (3, 0, 2, 4)


def stack(n, first=0, dtype=np.uint8, **more):
    values = np.repeat(np.arange(first, first + n), 4).reshape(n, 2, 2).astype(dtype)
    return StackFrames(f"{first}.npy", values, PANEL, 4600, **more)


def joined(**more):
    starts = np.cumsum((0, *LENGTHS))
    return JoinedFrames([stack(n, int(first), **more) for n, first in zip(LENGTHS, starts, strict=False)])


@given(st.integers(0, 9), st.integers(0, 9))
def test_read__of_any_shots_is_as_of_one_file(one, other):
    start, stop = sorted((one, other))
    found, due = joined(), np.repeat(np.arange(start, stop), 4).reshape(-1, 1, 2, 2)
    assert found.n_shots == 9
    np.testing.assert_array_equal(found.read(range(start, stop)), due)
    np.testing.assert_array_equal(scattered(found.photons(range(start, stop)), PANEL.shape), due)


def test_columns__of_text_in_one_file_and_of_numbers_in_another_are_text():
    number = {"run": ShotColumn(np.array([42, 43]), "run", identifier=True)}
    text = {"run": ShotColumn(np.array(["r44"], np.dtypes.StringDType()), "run")}
    for first, second, due in ((number, text, ["42", "43", "r44"]), (text, number, ["r44", "42", "43"])):
        parts = [stack(len(columns["run"].values), columns=columns) for columns in (first, second)]
        assert JoinedFrames(parts).columns()["run"].values.tolist() == due


def test_columns__are_those_of_all_files_and_which_file_it_is():
    score, more = ShotColumn(np.zeros(2), "score", "mJ"), ShotColumn(np.ones(2), "more")
    found = JoinedFrames([stack(2, columns={"score": score, "more": more}), stack(2, columns={"score": score})])
    columns = found.columns()
    assert set(columns) == {"score", "file"}
    assert (columns["score"].units, columns["score"].values.tolist()) == ("mJ", [0] * 4)
    assert (columns["file"].identifier, columns["file"].values.tolist()) == (True, [0, 0, 1, 1])
    assert set(JoinedFrames([stack(2, columns={"score": score})]).columns()) == {"score"}


def test_truth__is_what_all_files_know():
    one = stack(2, truth={"n_particles": np.array([1, 2]), "photon_energy": np.array([4.0, 5.0])})
    found = JoinedFrames([one, stack(1, truth={"n_particles": np.array([0])})])
    assert {name: value.tolist() for name, value in found.truth(range(1, 3)).items()} == {"n_particles": [2, 0]}
    assert set(found.truth(range(1))) == {"n_particles", "photon_energy"}


def test_photon_type__is_the_widest():
    assert JoinedFrames([stack(1), stack(1, dtype=np.uint16)]).photon_type == "uint16"


def test_photonized__is_summed_over_files():
    correction = make_correction(PANEL.shape, gain=1.0)
    found = JoinedFrames([PhotonizedFrames(stack(n, first), correction) for n, first in ((2, 0), (1, 2))])
    assert found.photonizes
    told = found.photonized(range(1, 3))
    assert told.photons[:, 0, 0, 0].tolist() == [1, 2]
    assert told.histogram.sum() == 8
    assert not joined().photonizes


def test_joined__refuses_what_does_not_belong_together():
    with pytest.raises(InputError, match="no frames to join; name at least one file"):
        JoinedFrames([])
    wide = StackFrames("wide.npy", np.zeros((1, 2, 3)), flat_panel((2, 3), 1e-3, 0.1), 4600)
    hard = StackFrames("hard.npy", np.zeros((1, 2, 2)), PANEL, 9000)
    for other in (wide, hard):
        with pytest.raises(InputError, match=rf"{other.name} was measured by .*; put them into two stores"):
            JoinedFrames([stack(1), other])


def test_joined__refuses_a_detector_that_was_moved():
    for far, told in (
        (0.10002, None),
        (0.2, r"pixels of 1 lie up to 100 mm from those of 0; put them into two"),
    ):
        moved = flat_panel((2, 2), 1e-3, far)
        other = StackFrames("1.npy", np.zeros((1, 2, 2)), moved, 4600)
        if told is None:
            assert JoinedFrames([stack(1), other]).geometry is PANEL
            continue
        with pytest.raises(InputError, match=told):
            JoinedFrames([stack(1), other])


def test_mask__is_of_pixels_that_are_good_in_all_files():
    masks = np.array([[[1, 1], [0, 1]], [[1, 1], [1, 1]], [[0, 1], [1, 1]]], bool)
    parts = [StackFrames("run", np.ones((1, 2, 2)), flat_panel((2, 2), 1e-3, 0.1, mask=mask), 4600) for mask in masks]
    assert JoinedFrames(parts).geometry.mask.tolist() == [[[False, True], [False, True]]]
