from __future__ import annotations

import numpy as np
import pytest

from tests.formats.cxi_writer import (
    frames,
    panels,
    write_cspi,
)
from xfeldask import open_frames
from xfeldask.engines.frame_formats import recognised
from xfeldask.errors import FormatError
from xfeldask.formats.cspi import geometry_of_vectors, wavelength_of
from xfeldask.physics.detectors import scattering_vector, square

N = 6


_, _, CENTRE = panels()


@pytest.mark.parametrize("mixed", [True, False])
def test_cspi__has_directions_and_truth(tmp_path, mixed):
    data, singles = frames(), np.arange(N) % 2 == 0
    flat = np.concatenate([CENTRE[..., :2], np.full((*CENTRE.shape[:3], 1), 0.7)], axis=-1)
    write_cspi(tmp_path / "cspi.h5", data, flat, 2e-10, singles if mixed else None)
    assert recognised(str(tmp_path / "cspi.h5")) == "cspi"
    found = open_frames(tmp_path / "cspi.h5")
    np.testing.assert_array_equal(found.read(range(N)), data)
    assert found.wavelength == pytest.approx(2e-10, rel=1e-9)
    np.testing.assert_allclose(
        scattering_vector(found.geometry.pixel_position, 1), scattering_vector(flat, 1), atol=1e-12
    )
    truth = found.truth(range(N))
    assert truth["n_particles"].tolist() == ([1, 2] * 3 if mixed else [2] * N)
    assert truth["orientation"].shape == (N, 1 if mixed else 2, 4)
    assert ("position" in truth) == (not mixed)


def test_vectors__on_an_ewald_sphere_tell_wavelength_and_pixels():
    geometry = square(9, 75e-6, 0.31)
    s = scattering_vector(geometry.pixel_position, 2.7e-10)
    assert wavelength_of("run.h5", s) == pytest.approx(2.7e-10, rel=1e-9)
    found = geometry_of_vectors("run.h5", s, 2.7e-10)
    assert found.pixel_size == 75e-6
    np.testing.assert_allclose(found.pixel_position, geometry.pixel_position, rtol=1e-4, atol=1e-9)
    # z grows downstream, whatever the sign of s_z in the file
    upside_down = geometry_of_vectors("run.h5", s * [1, 1, -1], 2.7e-10)
    np.testing.assert_allclose(upside_down.pixel_position, found.pixel_position)


@pytest.mark.parametrize("spoil", [lambda s: np.add(s, [1e5, 0, 1e4]), lambda s: s * [1, 1, 0], lambda s: s * np.nan])
def test_vectors__off_a_sphere_are_refused(spoil):
    s = scattering_vector(square(9, 75e-6, 0.1).pixel_position, 2.7e-10)
    with pytest.raises(FormatError, match="lies on no Ewald sphere; give its geometry and wavelength"):
        wavelength_of("run.h5", spoil(s))


def test_vectors__that_go_upstream_are_refused():
    s = np.full((1, 2, 2, 3), -1e10)
    with pytest.raises(FormatError, match="directions that do not go downstream"):
        geometry_of_vectors("run.h5", s, 2e-10)
