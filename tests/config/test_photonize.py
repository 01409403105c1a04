from __future__ import annotations

import pickle

import pytest

from xfeldask.config import Photonize
from xfeldask.errors import InputError, UnknownNameError


def test_photonize__needs_the_gain_alone():
    found = Photonize(gain=8)
    assert (found.gain, found.dark, found.common_mode, found.asic, found.threshold) == (8.0, None, "none", None, 0.7)
    assert Photonize(gain="gain.npy").gain == "gain.npy"
    assert pickle.loads(pickle.dumps(found)) == found == Photonize.model_validate_json(found.model_dump_json())


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "gain is missing; give it a value"),
        ({"gain": 0}, "gain"),
        ({"gain": -8.0}, "gain"),
        ({"gain": float("nan")}, "gain"),
        ({"gain": 8, "threshold": 0}, "threshold: input should be greater than 0, got 0"),
        ({"gain": 8, "threshold": 70}, r"got 70; did you mean 0\.7 \(70 %\)"),
        ({"gain": 8, "common_mode": "column"}, "'none', 'row', 'half_row' or 'asic'"),
        ({"gain": 8, "common_mode": "asic", "asic": (64,)}, "asic"),
        ({"gain": 8, "dark": 100.0}, "dark"),
    ],
)
def test_photonize__refuses_what_cannot_be_in_one_sentence(values, told):
    with pytest.raises(InputError, match=told) as raised:
        Photonize(**values)
    assert "\n" not in str(raised.value)


def test_photonize__of_a_misspelt_key_tells_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown key of Photonize 'treshold'; did you mean threshold"):
        Photonize(gain=8, treshold=0.5)
