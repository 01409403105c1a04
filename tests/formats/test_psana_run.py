"""psana cannot be installed here: a stand-in has its interface, and nothing else is tested of it."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from xfeldask import ingest, open_frames
from xfeldask.errors import FormatError, InputError
from xfeldask.formats.frames import columns_of

SOURCE = "exp=amo86615:run=182:det=pnccdBack"
N, GAIN = 7, 8.0
PHOTONS = np.random.default_rng(1).poisson(0.5, (N, 1, 16, 16))


class Time:
    """psana.EventTime."""

    def __init__(self, i):
        self.i = i

    def seconds(self):
        return 1400 + self.i

    def nanoseconds(self):
        return 5

    def fiducial(self):
        return 3 * self.i


@pytest.fixture
def psana(monkeypatch):
    """psana.DataSource, psana.Detector, runs by the times of events; event 4 has no frame."""
    asked = []

    def source(text):
        asked.append(text)
        if "run=182" not in text:
            raise RuntimeError("no such run\nsearched everywhere")
        run = SimpleNamespace(times=lambda: tuple(map(Time, range(N))), event=lambda time: time)
        return SimpleNamespace(runs=lambda: iter([run]))

    def calib(time):
        return None if time.i == 4 else PHOTONS[time.i] * GAIN

    module = SimpleNamespace(DataSource=source, Detector=lambda name: SimpleNamespace(calib=calib))
    monkeypatch.setitem(sys.modules, "psana", module)
    return asked


def test_run__is_read_event_by_event(psana, tmp_path):
    given = {"geometry": "square-16", "wavelength": 7.9e-10, "progress": False}
    ds = ingest(SOURCE, tmp_path / "r0182.zarr", photonize=GAIN, **given)
    due = PHOTONS.copy()
    due[4] = 0
    np.testing.assert_array_equal(ds.photons.values, due)
    np.testing.assert_array_equal(ds.fiducial.values, 3 * np.arange(N))
    assert psana[0] == "exp=amo86615:run=182:idx"
    found = open_frames(SOURCE, geometry="square-16", photon_energy=1570)
    assert found.name == "amo86615_r0182"
    assert all(column.identifier for column in columns_of(found).values())


def test_run__that_cannot_be_opened_is_told(psana, monkeypatch):
    with pytest.raises(FormatError, match=r"cannot be opened by psana \(no such run\)"):
        open_frames(SOURCE.replace("182", "183"), geometry="square-16", photon_energy=1570)
    with pytest.raises(InputError, match=r"give its psana \.data file"):
        open_frames(SOURCE, photon_energy=1570)
    monkeypatch.setitem(sys.modules, "psana", None)
    with pytest.raises(InputError, match="psana, which is not installed here"):
        open_frames(SOURCE, geometry="square-16", photon_energy=1570)
