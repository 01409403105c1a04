from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.errors import FormatError, InputError
from xfeldask.formats.shot_columns import ShotColumn
from xfeldask.formats.stacks import StackFrames, flat_panel, pixel_pitch
from xfeldask.physics.detectors import square

PANEL = flat_panel((2, 3), 1e-3, 0.1)
FRAMES = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)


def test_stack__tells_of_some_shots_what_the_file_tells_of_all():
    told = {"score": ShotColumn(np.arange(4.0), "score")}
    found = StackFrames("run", FRAMES, PANEL, 4600, {"n_particles": np.arange(4)}, told)
    assert found.truth(range(1, 3))["n_particles"].tolist() == [1, 2]
    assert found.columns() is not told
    assert found.columns() == told
    assert found.bad(range(4)) is None
    np.testing.assert_array_equal(found.read(range(1, 3))[:, 0], FRAMES[1:3])


def test_stack__counts_nothing_where_a_pixel_of_a_shot_is_bad():
    bad = np.zeros(FRAMES.shape, np.uint32)
    bad[2, 0, 1], bad[3, 1, 2] = 1, 2**31
    found = StackFrames("run", FRAMES, PANEL, 4600, bad=bad)
    assert found.bad(range(2, 4)).sum() == 2
    read = found.read(range(4))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read[:, 0], np.where(bad, 0, FRAMES))


def test_stack__with_masks_of_another_shape_is_told_to_be_damaged():
    found = StackFrames("run.h5", FRAMES, PANEL, 4600, bad=np.zeros((4, 5)))
    with pytest.raises(FormatError, match=r"run\.h5: shots 0 to 3 cannot be read"):
        found.read(range(4))


def test_flat_panel__is_around_the_beam_or_where_it_is_told():
    assert flat_panel((4, 4), 1e-3, 0.1).pixel_position.mean(axis=(0, 1, 2)) == pytest.approx([0, 0, 0.1])
    np.testing.assert_allclose(square(4, 1e-3, 0.1).pixel_position, flat_panel((4, 4), 1e-3, 0.1).pixel_position)
    # the beam meets the middle of pixel (1, 2): x along columns, y along rows
    found = flat_panel((4, 6), 1e-3, 0.1, (1.5, 2.5)).pixel_position
    np.testing.assert_allclose(found[0, 1, 2], [0, 0, 0.1], atol=1e-15)
    np.testing.assert_allclose(found[0, 3, 2], [0, 2e-3, 0.1], atol=1e-15)
    np.testing.assert_allclose(found[0, 1, 5], [3e-3, 0, 0.1], atol=1e-15)


def test_flat_panel__keeps_its_mask():
    mask = np.array([[1, 1, 0], [0, 1, 1]])
    np.testing.assert_array_equal(flat_panel((2, 3), 1e-3, 0.1, mask=mask).mask[0], mask)
    with pytest.raises(InputError):
        flat_panel((2, 3), 1e-3, 0.1, mask=mask.T)


@given(st.integers(1, 6), st.integers(1, 6), st.floats(1e-6, 1e-2))
def test_pixel_pitch__is_the_distance_of_neighbours(rows, columns, size):
    found = pixel_pitch(flat_panel((rows, columns), size, 0.1).pixel_position)
    assert found == (pytest.approx(size) if rows * columns > 1 else 0)
