from __future__ import annotations

import matplotlib.image
import numpy as np

from xfeldask.formats.png_out import write_png
from xfeldask.physics.detectors import assembled_index, assembled_shape
from xfeldask.store.choosing.chosen import Chosen


def test_png__of_each_shot_has_its_brightest_pixel_where_it_is_seen(tmp_path, written):
    told = []
    write_png(tmp_path / "out", Chosen(written, np.array([1, 4])), told.append)
    assert told == [1, 1]
    row, column = assembled_index(written.geometry)
    good = written.geometry.mask
    for shot in (1, 4):
        pixels = matplotlib.image.imread(tmp_path / f"out/shot_{shot:08d}.png")
        rows, columns = assembled_shape(written.geometry)
        assert pixels.shape[:2] == (rows, columns)
        # y grows upwards, rows of a picture downwards
        upright = pixels[::-1][row, column]
        grey = (np.abs(upright[..., :3] - 0.5) < 0.01).all(axis=-1)
        np.testing.assert_array_equal(grey, ~good)
        photons = written.read("photons", shot)
        colours = {tuple(colour) for colour in upright[good & (photons == photons.max())]}
        assert len(colours) == 1
        assert not colours & {tuple(colour) for colour in upright[good & (photons < photons.max())]}
