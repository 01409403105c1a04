from __future__ import annotations

import sys

import h5py
import numpy as np
import pytest

from xfeldask import open_frames
from xfeldask.engines.frame_formats import recognised
from xfeldask.errors import FormatError, InputError
from xfeldask.formats.frames import columns_of
from xfeldask.physics.detectors import make_geometry

pytest.importorskip("extra_data")
from extra_data.tests.mockdata import write_file
from extra_data.tests.mockdata.base import DeviceBase
from extra_data.tests.mockdata.detectors import AGIPDModule

pytestmark = pytest.mark.filterwarnings("ignore")
TRAINS, PULSES = 2, 3
HITS = [(10000, 1), (10001, 0), (10001, 2)]


class HitFinder(DeviceBase):
    output_channels = ("output/data",)
    instrument_keys = (("pulseId", "u8", ()), ("hitFlag", "i4", ()), ("hitscore", "f4", ()))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A corrected run with a hit finder, one without, and a raw one; photons (frame, module, ss, fs) of a corner."""
    folder = tmp_path_factory.mktemp("euxfel")
    photons = np.random.default_rng(1).poisson(1.0, (TRAINS * PULSES, 16, 4, 8))
    for name, raw in (("hits", False), ("plain", False), ("raw", True)):
        (folder / name).mkdir()
        for m in range(1 if raw else 16):
            path = folder / name / f"{'RAW' if raw else 'CORR'}-R0042-AGIPD{m:02d}-S00000.h5"
            module = AGIPDModule(f"SPB_DET_AGIPD1M-1/DET/{m}CH0", frames_per_train=PULSES, raw=raw)
            write_file(str(path), [module], ntrains=TRAINS, chunksize=4, format_version="1.0")
            with h5py.File(path, "r+") as file:
                image = file[f"INSTRUMENT/SPB_DET_AGIPD1M-1/DET/{m}CH0:xtdf/image"]
                pulse = image["pulseId"]
                pulse[: TRAINS * PULSES] = np.tile(np.arange(PULSES), TRAINS).reshape(-1, *pulse.shape[1:])
                if not raw:
                    image["data"][: TRAINS * PULSES, :4, :8] = photons[:, m]
                    image["mask"][2, 1, 1] = 4
        if name == "hits":
            path = folder / name / "CORR-R0042-SPI01-S00000.h5"
            finder = HitFinder("SPB_DET_AGIPD1M-1/REDU/SPI_HITFINDER", nsamples=TRAINS * PULSES)
            write_file(str(path), [finder], ntrains=TRAINS, chunksize=4, format_version="1.0")
            with h5py.File(path, "r+") as file:
                data = file["INSTRUMENT/SPB_DET_AGIPD1M-1/REDU/SPI_HITFINDER:output/data"]
                told = [(10000 + t, p) for t in range(TRAINS) for p in range(PULSES)]
                assert data["trainId"][: TRAINS * PULSES].tolist() == [t for t, _ in told]
                data["pulseId"][: TRAINS * PULSES] = [p for _, p in told]
                data["hitFlag"][: TRAINS * PULSES] = [key in HITS for key in told]
                data["hitscore"][: TRAINS * PULSES] = np.arange(TRAINS * PULSES) / 2
    return folder, photons


@pytest.fixture(scope="module")
def geometry():
    """Modules of AGIPD's shape, one beside the other."""
    m, i, j = np.indices((16, 512, 128))
    x, y = (m * 140 + j - 1120) * 2e-4, (i - 256) * 2e-4
    return make_geometry(np.stack([x, y, np.full_like(x, 0.7)], axis=-1), 2e-4)


def test_hits__are_the_frames_that_are_flagged(runs, geometry):
    folder, photons = runs
    assert recognised(str(folder / "hits")) == "euxfel"
    found = open_frames(folder / "hits", geometry=geometry, photon_energy=6000)
    chosen = [(t - 10000) * PULSES + p for t, p in HITS]
    assert found.n_shots == 3
    frames = found.read(range(3))
    np.testing.assert_array_equal(frames[:, :, :4, :8], photons[chosen])
    assert frames.sum() == photons[chosen].sum()
    columns = columns_of(found)
    assert list(zip(columns["train"].values.tolist(), columns["pulse"].values.tolist(), strict=True)) == HITS
    np.testing.assert_array_equal(columns["hit_score"].values, np.array(chosen) / 2)
    assert {name for name, column in columns.items() if column.identifier} == {"train", "pulse", "cell"}


def test_frames__all_of_them_with_masks_of_their_own(runs, geometry):
    folder, photons = runs
    for name, kind in (("plain", None), ("hits", "euxfel_all")):
        found = open_frames(folder / name, format=kind, geometry=geometry, photon_energy=6000)
        assert found.n_shots == TRAINS * PULSES
        due = photons.copy()
        due[2, :, 1, 1] = 0
        np.testing.assert_array_equal(found.read(range(2, 4))[:, :, :4, :8], due[2:4])


def test_run__that_cannot_be_read_is_told(runs, geometry, tmp_path, monkeypatch):
    with pytest.raises(FormatError, match=r"has raw frames .*; give the corrected run, proc instead of raw"):
        open_frames(runs[0] / "raw", geometry=geometry, photon_energy=6000)
    with pytest.raises(InputError, match="does not say where its pixels are"):
        open_frames(runs[0] / "hits", photon_energy=6000)
    (tmp_path / "CORR-R0001-AGIPD00-S00000.h5").write_bytes(b"nothing")
    with pytest.raises(FormatError, match="is no run with one detector"):
        open_frames(tmp_path, geometry=geometry, photon_energy=6000)
    monkeypatch.setitem(sys.modules, "extra_data", None)
    with pytest.raises(InputError, match=r"pip install 'xfeldask\[beamlines\]'"):
        open_frames(runs[0] / "hits", geometry=geometry, photon_energy=6000)
