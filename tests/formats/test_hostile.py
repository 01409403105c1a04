"""Files that are damaged, cut short, foreign or made to hurt: one sentence each, and nothing is written."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from tests.formats import cxi_writer
from tests.formats.emc_writer import dense_bytes, sparse_bytes, write_flat, write_vlen
from xfeldask.config import Detector
from xfeldask.engines.frame_formats import frames_at
from xfeldask.errors import XfeldaskError
from xfeldask.formats.frames import columns_of, events_of
from xfeldask.formats.geometries import read_detector
from xfeldask.physics.detectors import make_geometry, square

EACH = 17
_, _, CENTRE = cxi_writer.panels()
GEOMETRY = make_geometry(CENTRE, 2e-4)
FLAT = square(8, 1e-3, 0.1)


def npz(path, data):
    with path.open("wb") as file:
        np.savez(file, patterns=data)


def simex(path, data):
    with h5py.File(path, "w") as file:
        for i, frame in enumerate(data):
            file[f"data/{i + 1:07d}/data"], file[f"data/{i + 1:07d}/angle"] = frame, np.eye(4)[0]
        for name, value in {"pixelWidth": 1e-3, "pixelHeight": 1e-3, "detectorDist": 0.1}.items():
            file[f"params/geom/{name}"] = value
        file["params/beam/photonEnergy"] = 4960.0


MAKERS = {
    "sparse.emc": (FLAT, lambda p: p.write_bytes(sparse_bytes(cxi_writer.frames(shape=(64,))))),
    "dense.emc": (FLAT, lambda p: p.write_bytes(dense_bytes(cxi_writer.frames(shape=(64,)), 1))),
    "vlen.h5": (FLAT, lambda p: write_vlen(p, cxi_writer.frames(shape=(64,)))),
    "flat.h5": (FLAT, lambda p: write_flat(p, cxi_writer.frames(shape=(64,)))),
    "hits.cxi": (None, lambda p: cxi_writer.write_euxfel(p, cxi_writer.frames())),
    "virtual.cxi": (GEOMETRY, lambda p: cxi_writer.write_virtual(p, cxi_writer.frames())),
    "condor.h5": (None, lambda p: cxi_writer.write_condor(p, cxi_writer.frames(shape=(8, 8)))),
    "simex.h5": (None, lambda p: simex(p, cxi_writer.frames(shape=(8, 8)))),
    "cspi.h5": (
        None,
        lambda p: cxi_writer.write_cspi(p, cxi_writer.frames(), CENTRE * [1, 1, 0] + [0, 0, 0.7], 2e-10, None),
    ),
    "run.npy": (FLAT, lambda p: np.save(p, cxi_writer.frames(shape=(8, 8)))),
    "run.npz": (FLAT, lambda p: npz(p, cxi_writer.frames(shape=(8, 8)))),
}


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """The content cut short, or with bytes changed, taken out, doubled or zeroed."""
    data = bytearray(content)
    kind, at = rng.integers(5), int(rng.integers(len(data)))
    length = int(rng.integers(1, 64))
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        for place in rng.integers(0, min(len(data), 4096), 8):
            data[place] = int(rng.integers(256))
    elif kind == 2:
        del data[at : at + length]
    elif kind == 3:
        data[at:at] = data[at : at + length]
    else:
        data[at : at + length] = bytes(len(data[at : at + length]))
    return bytes(data)


def read_all(source: str, geometry) -> None:
    """Everything that ingesting reads."""
    found = frames_at(source, None, geometry, 4600.0)
    if found.n_shots < 1000:
        columns_of(found)
        found.truth(range(found.n_shots))
        events_of(found, range(found.n_shots))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.filterwarnings("ignore")  # NumPy warns of numbers that it meets in damaged files
def test_damaged_files__are_read_or_told_in_a_sentence(tmp_path, name):
    geometry, make = MAKERS[name]
    make(tmp_path / name)
    content, rng = (tmp_path / name).read_bytes(), np.random.default_rng(list(name.encode()))
    told = []
    for i in range(EACH):
        (path := tmp_path / f"{i}-{name}").write_bytes(mutated(content, rng))
        try:
            read_all(str(path), geometry)
        except XfeldaskError as error:
            told.append(str(error))
        path.unlink()
    assert len(told) > EACH // 4
    assert [text for text in told if "\n" in text or len(text) > 1000] == []


@pytest.mark.parametrize("name", ["a.geom", "det.dat"])
def test_damaged_geometries__are_read_or_told_in_a_sentence(tmp_path, name):
    text = {
        "a.geom": b"clen = 0.1\nres = 1000\na/min_fs = 0\na/max_fs = 3\na/min_ss = 0\na/max_ss = 1\na/fs = +1.0x\n"
        b"a/ss = +1.0y\na/corner_x = -2\na/corner_y = -1\n",
        "det.dat": b"2 500 300\n0.1 0.1 -0.00003 1 0\n0.1 0.7 -0.0008 1 0\n",
    }[name]
    rng, told = np.random.default_rng(3), []
    for i in range(3 * EACH):
        (path := tmp_path / f"{i}-{name}").write_bytes(mutated(text, rng))
        try:
            read_detector(Detector(source=str(path), pixel_size=2e-4 if name == "det.dat" else None))
        except XfeldaskError as error:
            told.append(str(error))
    assert len(told) > EACH // 4
    assert [text for text in told if "\n" in text] == []


def hostile(folder):
    """Files made to hurt, by name."""
    header = np.zeros(256, "<i4")
    header[:2] = 2**31 - 1
    (folder / "billions.emc").write_bytes(header.tobytes())
    with h5py.File(folder / "promise.h5", "w") as file:
        # nothing is written, so that a trillion frames take no room
        file.create_dataset("photons", (10**12, 64, 64), "u1", chunks=(1, 64, 64))
        file["entry_1/data_1/data"] = h5py.SoftLink("/nowhere")
    with h5py.File(folder / "loop.h5", "w") as file:
        file["entry_1"] = h5py.SoftLink("/entry_1")
        file["a/b"] = h5py.SoftLink("/a")
    with h5py.File(folder / "outside.cxi", "w") as file:
        file["entry_1/data_1/data"] = h5py.ExternalLink("/etc/passwd", "/data")
    (folder / "notes.txt").write_text("no frames")
    (folder / "empty.cxi").write_bytes(b"")
    (folder / "folder").mkdir()
    (folder / "pickled.npy").write_bytes(b"")
    np.save(folder / "pickled.npy", np.array([{"a": 1}], object), allow_pickle=True)
    np.save(folder / "none.npy", np.zeros((0, 8, 8), np.uint8))
    return ["billions.emc", "loop.h5", "outside.cxi", "notes.txt", "empty.cxi", "folder", "pickled.npy", "none.npy"]


def test_command__refuses_hostile_files_and_writes_nothing(tmp_path, run):
    for name in hostile(tmp_path):
        before = sorted(path.name for path in tmp_path.iterdir())
        flags = ["--detector", "square-8", "--wavelength", "2e-10", "--scheduler", "synchronous"]
        code, out, err = run("ingest", tmp_path / name, tmp_path / "run.zarr", *flags)
        assert (name, code, out) == (name, 2, "")
        assert err.startswith("xfeldask: ")
        assert err.count("\n") == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == before
