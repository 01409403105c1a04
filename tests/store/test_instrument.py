from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from tests.images import two_panels
from xfeldask.errors import InputError
from xfeldask.physics.binning import image_grid, low_q_grid
from xfeldask.physics.detectors import wavelength
from xfeldask.store.instrument import DatasetInstrument

GEOMETRY = two_panels(3)
PIXELS = ("panel", "ss", "fs")


def dataset(**attributes):
    coords = {"pixel_position": ((*PIXELS, "xyz"), GEOMETRY.pixel_position), "mask": (PIXELS, GEOMETRY.mask)}
    told = {"pixel_size": 75e-6, "photon_energy": 4600.0, **attributes}
    return xr.Dataset(coords=coords, attrs={name: value for name, value in told.items() if value is not None})


def test_instrument__has_the_bins_of_a_store_of_that_detector():
    found = DatasetInstrument.of(dataset(bin=2))
    np.testing.assert_array_equal(found.geometry.mask, GEOMETRY.mask)
    for mine, due in ((found.image_grid, image_grid(GEOMETRY, wavelength(4600), 2)),
                      (found.low_q_grid, low_q_grid(GEOMETRY, wavelength(4600)))):  # fmt: skip
        np.testing.assert_array_equal(mine.s, due.s)
        np.testing.assert_array_equal(mine.weight, due.weight)


def test_instrument__takes_a_wavelength_or_variables_and_bins_of_a_pixel_by_default():
    found = DatasetInstrument.of(dataset(photon_energy=None, wavelength=2e-10))
    assert (found.wavelength, found.bin) == (pytest.approx(2e-10), 1)
    ds = dataset(photon_energy=None, bin=None).assign(photon_energy=5000.0, bin=3)
    assert (DatasetInstrument.of(ds).photon_energy, DatasetInstrument.of(ds).bin) == (5000, 3)
    # a photon energy of each shot is none of the instrument
    each = dataset(photon_energy=None, wavelength=2e-10).assign(photon_energy=("shot", [1.0, 2.0]))
    assert DatasetInstrument.of(each).wavelength == pytest.approx(2e-10)
    assert DatasetInstrument.of(dataset().drop_vars("mask")).geometry.mask.all()


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"pixel_size": None}, r"tells no pixel_size \[m\]; add it as an attribute"),
        ({"photon_energy": None}, r"tells no photon_energy \[eV\] above 0; add it as an attribute, or wavelength"),
        ({"photon_energy": None, "wavelength": -1e-10}, "tells no photon_energy"),
        ({"photon_energy": np.nan}, "tells no photon_energy"),
        ({"photon_energy": "high"}, "photon_energy of the Dataset is 'high'; give a number"),
        ({"photon_energy": 4.6}, r"did you mean .*4\.6 keV"),
        ({"bin": 0}, "bin of the Dataset is a whole number of pixels from 1, got 0"),
        ({"bin": 1.5}, "got 1.5"),
        ({"bin": 1e9}, r"got 1e\+09"),
    ],
)
def test_instrument__that_is_not_told_is_asked_for(attributes, told):
    with pytest.raises(InputError, match=told):
        DatasetInstrument.of(dataset(**attributes))


def test_instrument__without_pixels_is_none():
    with pytest.raises(InputError, match=r"has no pixel_position \(panel, ss, fs, xyz\) \[m\]; add it as a coordinate"):
        DatasetInstrument.of(dataset().drop_vars("pixel_position"))
