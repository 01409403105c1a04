"""One iteration of Dragonfly's `emc` on a store: its files written, the program run, its log and its volume read.

The program is that of https://github.com/duaneloh/Dragonfly (Ayyer et al., J. Appl. Cryst. 49, 1320, 2016), which
writes volumes into HDF5 files or plain ones as it was built. It is found on PATH, or named by ``XFELDASK_EMC``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from xfeldask import export

VARIABLE = "XFELDASK_EMC"
FOLDERS = ("output", "weights", "mutualInfo", "scale", "orientations", "likelihood", "probabilities")
"""What a build without HDF5 writes into; older ones do not make them."""
CONFIG = """\
[emc]
in_photons_file = photons.emc
in_detector_file = photons_detector.h5
start_model_file = {start}
num_div = {refinement}
size = {size}
need_scaling = 0
alpha = 0.
beta = 1.
output_folder = data/
log_file = EMC.log
"""


def find_emc() -> Path:
    """Return the program.

    Raises
    ------
    NotImplementedError
        It is not there; the message says what to do.
    """
    named = os.environ.get(VARIABLE)
    found = shutil.which(named or "emc")
    if found is None:
        where = f"{VARIABLE} names {named}, which is no program" if named else "no emc on PATH"
        raise NotImplementedError(f"{where}; build it from github.com/duaneloh/Dragonfly and name it in {VARIABLE}")
    return Path(found).resolve()


@dataclass(frozen=True)
class Dragonfly:
    """A folder that `emc` works in.

    Attributes
    ----------
    program : Path
    folder : Path, that exists
    """

    program: Path
    folder: Path

    @property
    def writes_hdf5(self) -> bool:
        """Whether its volumes are HDF5: the names of what it writes stand in the program."""
        return b"output_%.3d.h5" in self.program.read_bytes()

    def prepare(self, store: Path, start: NDArray[np.float64], refinement: int) -> None:
        """Write the photons of a store, its detector, the intensity to begin with, and what `emc` is to do.

        Parameters
        ----------
        store : Path
        start : float64 (n, n, n), index n // 2 is s = 0, on a grid as fine as the detector's pixels at the beam
        refinement : int, of the rotations, as of `rotation_grid`
        """
        export(store, self.folder / "photons.emc", progress=False)
        for name in FOLDERS:
            (self.folder / "data" / name).mkdir(parents=True, exist_ok=True)
        name = "start.h5" if self.writes_hdf5 else "start.bin"
        if self.writes_hdf5:
            with h5py.File(self.folder / name, "w") as file:
                file["intens"] = start[None].astype("<f8")
        else:
            start.astype("<f8").tofile(self.folder / name)
        written = CONFIG.format(start=name, refinement=refinement, size=len(start))
        (self.folder / "config.ini").write_text(written)

    def iterate(self) -> float:
        """Run one iteration on one core, and return how long it took by its own log [s].

        Raises
        ------
        RuntimeError
            It failed; the message is what it wrote.
        """
        done = subprocess.run(
            [self.program, "-c", "config.ini", "-t", "1", "1"], cwd=self.folder, capture_output=True, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{self.program}: {done.stderr.strip() or done.stdout.strip()}")
        return logged_seconds((self.folder / "EMC.log").read_text())

    def volume(self, size: int) -> NDArray[np.float64]:
        """Return the intensity after the iteration, float64 (size, size, size)."""
        if self.writes_hdf5:
            with h5py.File(self.folder / "data" / "output_001.h5") as file:
                return np.asarray(file["intens"][0], np.float64)
        return np.fromfile(self.folder / "data" / "output" / "intens_001.bin", "<f8").reshape(size, size, size)


def logged_seconds(log: str) -> float:
    r"""Return how long the last iteration took by a log of `emc` [s].

    Raises
    ------
    RuntimeError
        It tells of no iteration.

    Examples
    --------
    >>> logged_seconds("Reconstruction parameters:\n\nIter\ttime\trms_change\n1\t12.50\t3.2e-2\n")
    12.5
    """
    rows = [line.split() for line in log.splitlines()]
    after = [i for i, row in enumerate(rows) if row[:2] == ["Iter", "time"]]
    done = [row for row in rows[after[-1] + 1 :] if row] if after else []
    if not done:
        raise RuntimeError("the log of emc tells of no iteration")
    return float(done[-1][1])
