"""Phasing: a density comes back from its intensity, up to its place and hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import fft

from tests.orient.devices import gpu, strict
from xfeldask.devices import Device
from xfeldask.errors import InputError
from xfeldask.orient.models import radii
from xfeldask.orient.phasing import TAPER, phased

pytestmark = pytest.mark.rounding

STEP = 2e7


def blob() -> np.ndarray:
    """A density of a few soft balls, (27, 27, 27), index 13 its middle."""
    axis = np.arange(27) - 13.0
    out = np.zeros((27, 27, 27))
    for x, y, z, weight in ((2, 0, 0, 1), (-2, 1, 0, 0.7), (0, -3, 1, 1), (1, 1, 3, 0.8), (-1, 2, -3, 1)):
        out += weight * np.exp(-((axis[:, None, None] - x) ** 2 + (axis[:, None] - y) ** 2 + (axis - z) ** 2) / 2)
    return out


@pytest.mark.parametrize("device", [Device, strict, pytest.param(gpu, marks=pytest.mark.cuda)])
def test_density__comes_back_from_its_intensity(device: Callable[[], Device]):
    spectrum = fft.fftshift(fft.fftn(fft.ifftshift(blob())))
    found = phased(np.abs(spectrum) ** 2, STEP, starts=3, iterations=150, device=device())
    far = radii(27)
    seen = spectrum * (far < 13) * np.exp(-TAPER * (far / 13) ** 2)
    true = fft.ifftn(fft.ifftshift(seen)).real
    overlap = [
        fft.ifftn(fft.fftn(true) * fft.fftn(each).conj()).real.max()
        for each in (found.values, found.values[::-1, ::-1, ::-1])
    ]
    assert max(overlap) > 0.94 * np.linalg.norm(true) * np.linalg.norm(found.values)
    assert found.pitch == pytest.approx(1 / (27 * STEP))
    assert found.transfer.shape == found.s.shape == (12,)
    assert found.transfer[:6].min() > 0.9
    assert found.residual < 0.1
    middle = (found.values * (np.arange(27) - 13)[:, None, None]).sum() / found.values.sum()
    assert abs(middle) < 1


def test_starts__agree_less_where_the_intensity_is_that_of_no_particle():
    true = np.abs(fft.fftshift(fft.fftn(fft.ifftshift(blob())))) ** 2
    shell, rng = np.rint(radii(27)), np.random.default_rng(0)
    mixed = true.copy()
    for number in range(14):
        mixed[shell == number] = rng.permutation(true[shell == number])
    mixed = mixed + mixed[::-1, ::-1, ::-1]
    found = phased(mixed, STEP, starts=4, iterations=60)
    assert found.residual > 2 * phased(true, STEP, starts=4, iterations=60).residual
    again = phased(mixed, STEP, starts=4, iterations=60, threads=3)
    assert (again.values == found.values).all()


def test_grid__is_made_wide_enough_to_transform_fast():
    found = phased(np.ones((23, 23, 23)), STEP, starts=1, iterations=2)
    assert found.values.shape == (25, 25, 25)
    assert found.s.max() == pytest.approx(10 * STEP)
    assert found.pitch == pytest.approx(1 / (25 * STEP))


@pytest.mark.parametrize(
    ("shape", "options", "told"),
    [((8, 8, 8), {}, "odd size"), ((9, 9, 7), {}, "odd size"), ((9, 9, 9), {"starts": 0}, "1 start")],
)
def test_what_cannot_be_phased__is_refused(shape, options, told):
    with pytest.raises(InputError, match=told):
        phased(np.ones(shape), STEP, **options)
