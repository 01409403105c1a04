from __future__ import annotations

import numpy as np
import pytest

from xfeldask.config import Detector
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.formats.emc_out import write_dragonfly_detector
from xfeldask.formats.geometries import read_detector
from xfeldask.physics.detectors import builtin_geometry, square


def test_read_detector__takes_a_store_for_what_it_was_measured_by(written):
    found = read_detector(Detector(source=str(written.path)))
    np.testing.assert_array_equal(found.pixel_position, written.geometry.pixel_position)
    np.testing.assert_array_equal(found.mask, written.geometry.mask)
    with pytest.raises(InputError, match=r"pixel_size and distance are not for .*, a store that has its own"):
        read_detector(Detector(source=str(written.path), distance=0.1))


def test_read_detector__square_takes_what_it_is_given_and_keeps_the_rest():
    plain = builtin_geometry("square-8")
    wide = read_detector(Detector(source="square-8", pixel_size=1e-4))
    far = read_detector(Detector(source="square-8", distance=0.4))
    assert (wide.pixel_size, wide.pixel_position[0, 0, 0, 2]) == (1e-4, plain.pixel_position[0, 0, 0, 2])
    assert (far.pixel_size, far.pixel_position[0, 0, 0, 2]) == (plain.pixel_size, 0.4)


def test_read_detector__flat_is_around_the_beam_or_where_it_is_told():
    sizes = {"pixel_size": 1e-3, "distance": 0.1}
    middle = read_detector(Detector(source="flat-4x6", **sizes))
    np.testing.assert_allclose(middle.pixel_position.mean(axis=(0, 1, 2)), [0, 0, 0.1], atol=1e-15)
    aside = read_detector(Detector(source="flat-4x6@0.5,5.5", **sizes))
    np.testing.assert_allclose(aside.pixel_position[0, 0, 5], [0, 0, 0.1], atol=1e-15)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"source": "flat-4x6"}, "does not say how large its pixels are and where; give pixel_size and distance in m"),
        ({"source": "flat-4x6", "pixel_size": 1e-3}, "give pixel_size and distance in m"),
        ({"source": "flat-0x6", "pixel_size": 1e-3, "distance": 0.1}, "has 0 pixels; a flat detector has 1 to"),
        ({"source": "flat-99999x99999", "pixel_size": 1e-3, "distance": 0.1}, "has 9,999,800,001 pixels"),
        ({"source": "flat-4x6@1.2.3,4", "pixel_size": 1e-3, "distance": 0.1}, "@1.2.3,4, which are no numbers"),
        ({"source": "pnccd-amo86615", "pixel_size": 1e-4}, "are for square-N detectors; pnccd-amo86615 has its own"),
    ],
)
def test_read_detector__refuses_in_one_sentence(values, told):
    with pytest.raises(InputError, match=told):
        read_detector(Detector(**values))


def test_read_detector__refuses_what_a_file_tells_itself(tmp_path):
    write_dragonfly_detector(tmp_path / "det.h5", square(4, 1e-3, 0.1))
    assert read_detector(Detector(source=str(tmp_path / "det.h5"), pixel_size=1e-3)).shape == (1, 4, 4)
    with pytest.raises(InputError, match=r"distance is not for .*, which tells its own in pixels"):
        read_detector(Detector(source=str(tmp_path / "det.h5"), pixel_size=1e-3, distance=0.1))
    (tmp_path / "a.geom").write_text("clen = 0.1\nres = 1000\na/corner_x = 0\n")
    with pytest.raises(InputError, match=r"pixel_size is not for .*, which tells its own"):
        read_detector(Detector(source=str(tmp_path / "a.geom"), pixel_size=1e-3))
    with pytest.raises(UnknownNameError, match="unknown detector 'squaer-8'; did you mean"):
        read_detector(Detector(source="squaer-8"))


def test_read_detector__applies_the_mask(tmp_path):
    np.save(tmp_path / "m.npy", np.eye(4, dtype=bool))
    assert read_detector(Detector(source="square-4", mask=str(tmp_path / "m.npy"))).mask.sum() == 4
