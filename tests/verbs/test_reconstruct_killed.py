"""`reconstruct --overwrite` killed with SIGKILL: the old one is there, and the same call goes on to the same bits."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
import xarray as xr

from tests.orient.shots import atoms_of
from xfeldask import open_run, reconstruct, simulate, verify
from xfeldask.errors import XfeldaskWarning

BEAM = {"photon_energy": 4600.0, "photons_per_pulse": 2.4e18, "focus_radius": 5e-7}
OPTIONS = {"resolution": 6e-9, "rotations": 60, "n_iterations": 1, "starts": 2, "progress": False, "overwrite": True}
KILLED = f"""
import os, signal, sys
import dask
from xfeldask import reconstruct
from xfeldask.store.results.reconstruction import Reconstruction
from xfeldask.verbs.parts import reconstruction_checkpoints

reconstruction_checkpoints.BETWEEN_CHECKPOINTS = -1.0
publish = Reconstruction.publish

def published(self, *arguments):
    publish(self, *arguments)
    os.kill(os.getpid(), signal.SIGKILL)

Reconstruction.publish = published
with dask.config.set(scheduler="synchronous"):
    reconstruct(sys.argv[1], **{OPTIONS!r})
"""


@pytest.mark.filterwarnings("ignore:nothing was found")
def test_overwriting__killed_loses_nothing(tmp_path):
    path = tmp_path / "run.zarr"
    simulate(
        path, particle=(atoms_of(4) * 1.0, ["C"] * 12), beam=BEAM, detector="square-32", n_shots=90, progress=False
    )
    old = reconstruct(path, **{**OPTIONS, "seed": 1}).load()
    whole = reconstruct(path, **{**OPTIONS, "name": "apart"}).load()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    xr.testing.assert_identical(open_run(path).reconstructions["emc"].dataset().load(), old)
    assert open_run(path).dataset("unfinished/emc").attrs["attempts"] == 1
    assert verify(path, progress=False).problems == ()
    with pytest.warns(XfeldaskWarning, match="took over"):
        found = reconstruct(path, **OPTIONS).load()
    xr.testing.assert_equal(found, whole)
    assert "unfinished/emc" not in open_run(path)
    assert [each.name for each in tmp_path.iterdir()] == ["run.zarr"]
