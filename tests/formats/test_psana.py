from __future__ import annotations

import numpy as np
import pytest

from xfeldask.errors import FormatError, MissingFileError
from xfeldask.formats.psana import read_psana_geometry

pytestmark = pytest.mark.rounding

FLAT = "0 0 0  0 0 0"
LEAF = f"IP:V1 0 MTRX:2:3:50:50 0  0 0 100000  {FLAT}"


def read(tmp_path, *lines):
    path = tmp_path / "0-end.data"
    path.write_text("# 100:TITLE\n" + "\n".join(lines))
    return read_psana_geometry(path)


def test_read_psana_geometry__places_a_matrix(tmp_path):
    geometry = read(tmp_path, LEAF)
    assert geometry.shape == (1, 2, 3)
    assert geometry.pixel_size == pytest.approx(50e-6)
    np.testing.assert_allclose(geometry.pixel_position[0, 1, 2], [50e-6, 100e-6, 0.1], atol=1e-12)


def test_read_psana_geometry__adds_tilt_to_rotation(tmp_path):
    turned = read(tmp_path, "IP:V1 0 MTRX:2:3:50:50 0  0 0 100000  60 0 0  30 0 0")
    np.testing.assert_allclose(turned.pixel_position[0, 1, 2], [-100e-6, 50e-6, 0.1], atol=1e-12)


def test_read_psana_geometry__turns_about_z_then_y_then_x(tmp_path):
    geometry = read(tmp_path, "IP:V1 0 MTRX:2:3:50:50 0  0 0 100000  90 90 90  0 0 0")
    # (50, 100, 0) -> z: (-100, 50, 0) -> y: (0, 50, 100) -> x: (0, -100, 50) um, z then turned over
    np.testing.assert_allclose(geometry.pixel_position[0, 1, 2], [0, -100e-6, 0.1 - 50e-6], atol=1e-12)


def test_read_psana_geometry__keeps_file_order_through_any_depth(tmp_path):
    geometry = read(
        tmp_path,
        f"A:V1 0 MTRX:2:3:50:50 0  1000 0 0  {FLAT}",
        f"A:V1 0 MTRX:2:3:50:50 1  2000 0 0  {FLAT}",
        f"A:V1 1 MTRX:2:3:50:50 0  3000 0 0  {FLAT}",
        f"B:V1 0 A:V1 1  0 0 0  {FLAT}",
        f"B:V1 0 A:V1 0  0 0 0  {FLAT}",
        f"IP:V1 0 B:V1 0  0 0 100000  {FLAT}",
    )
    np.testing.assert_allclose(geometry.pixel_position[:, 0, 0, 0], [3e-3, 1e-3, 2e-3], atol=1e-12)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["IP:V1 0 PNCCD:V1"], "line 2: has 3 words"),
        ([LEAF.replace("100000", "far")], "line 2: cannot be read"),
        ([LEAF.replace("100000", "nan")], "line 2: holds a number that is not finite"),
        (
            [LEAF.replace("MTRX:2:3:50:50", "EPIX:V1")],
            "line 2: unknown segment type 'EPIX:V1'; known: PNCCD:V1",
        ),
        ([LEAF.replace("50:50", "50:60")], "line 2: .* square pixels"),
        ([LEAF.replace("50:50", "7.5.5:7.5.5")], "line 2: unknown segment type 'MTRX:2:3:7.5.5:7.5.5'"),
        ([LEAF.replace("2:3", "10000000:10000000")], "describes 100,000,000,000,000 pixels, more than"),
        ([LEAF, LEAF], "line 3: .* a second time"),
        ([LEAF, LEAF.replace("2:3", "2:4")], "different shapes"),
        ([LEAF, LEAF.replace("IP", "XX")], "nobody's child, has IP:V1 0, XX:V1 0"),
        ([f"A 0 B 0 0 0 0 {FLAT}", f"B 0 A 0 0 0 0 {FLAT}"], "has none"),
        ([LEAF, f"A 0 B 0 0 0 0 {FLAT}", f"B 0 A 0 0 0 0 {FLAT}"], "own ancestors"),
        ([LEAF.replace("100000", "0")], "z > 0"),
        ([], "nobody's child, has none"),
    ],
)
def test_read_psana_geometry__refuses(tmp_path, lines, told):
    with pytest.raises(FormatError, match=told):
        read(tmp_path, *lines)


def test_read_psana_geometry__misses_a_file(tmp_path):
    with pytest.raises(MissingFileError, match="psana geometry file"):
        read_psana_geometry(tmp_path / "none.data")
