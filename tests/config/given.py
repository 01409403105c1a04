from __future__ import annotations

import pickle

import dask.multiprocessing  # noqa: F401, makes errors pickle with their causes, as its workers do
import pytest

from xfeldask.config import Experiment
from xfeldask.errors import InputError, XfeldaskError

NAN, INF = float("nan"), float("inf")


GOOD_BEAM = {"photon_energy": 5000.0, "photons_per_pulse": 1e11, "focus_radius": 1e-6}


def experiment(**values):
    return Experiment(**{"particle": "chaperonin", "n_shots": 100, **values})


def refused(kind=InputError, /, **values):
    with pytest.raises(kind) as info:
        experiment(**values)
    assert isinstance(info.value, XfeldaskError)
    assert isinstance(info.value, ValueError)
    copy = pickle.loads(pickle.dumps(info.value))
    assert type(copy) is type(info.value)
    assert str(copy) == str(info.value)
    assert "\n" not in str(copy)
    return str(copy)
