from __future__ import annotations

import numpy as np
import pytest

from tests.images import two_panels
from tests.tiny import frames, tiny_run
from xfeldask.physics.detectors import assembled_index, assembled_shape
from xfeldask.report.contact_sheet import contact_sheet


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    geometry = two_panels(3)
    return tiny_run(tmp_path_factory.mktemp("sheet") / "run.zarr", frames(5, geometry, mean=2), geometry)


def pictures(figure):
    return [ax.images[0].get_array() for ax in figure.axes if ax.images]


def test_sheet__has_the_shots_in_the_order_asked_for(run):
    figure = contact_sheet(run, [3, 0, 4], lambda shot: f"#{shot}", columns=2)
    assert [ax.get_title() for ax in figure.axes] == ["#3", "#0", "#4", ""]
    row, column = assembled_index(run.geometry)
    good = run.geometry.mask
    for shot, picture in zip([3, 0, 4], pictures(figure), strict=True):
        assert picture.shape == assembled_shape(run.geometry)
        # what is dark is drawn as half a photon, on a logarithmic scale
        due = np.maximum(run.read("photons", shot)[good], 0.5)
        np.testing.assert_array_equal(picture[row[good], column[good]], due)
        assert np.isfinite(picture.filled(np.nan)).sum() == good.sum()


def test_sheet__binned_is_the_middle_without_bins_of_no_good_pixel(run):
    (picture,) = pictures(contact_sheet(run, [2], binned=True))
    weight = run.low_q_grid.weight
    np.testing.assert_array_equal(picture[weight > 0], np.maximum(run.read("low_q", 2)[weight > 0], 0.5))
    np.testing.assert_array_equal(np.isnan(picture.filled(np.nan)), weight == 0)


def test_sheet__of_a_dark_shot_has_a_scale(tmp_path):
    run = tiny_run(tmp_path / "run.zarr", frames(1) * 0)
    (image,) = (ax.images[0] for ax in contact_sheet(run, [0]).axes if ax.images)
    assert image.get_clim() == (0.5, 2.0)


@pytest.mark.parametrize(("columns", "rows"), [(1, 5), (3, 2), (5, 1), (10, 1)])
def test_sheet__has_as_many_rows_as_it_takes(run, columns, rows):
    figure = contact_sheet(run, range(5), columns=columns)
    assert len(figure.axes) == columns * rows
    assert len(pictures(figure)) == 5
