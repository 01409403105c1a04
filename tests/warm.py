"""Compile what most tests need once, before their workers start: ``python -m tests.warm``.

Workers, and the processes that tests start, would compile the same kernels beside one another, as none finds them in
the cache until the first is done. What is not compiled here is compiled by the test that needs it.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

from tests.hasty import in_haste
from xfeldask import embed, find_kinds, phase, reconstruct, simulate
from xfeldask.errors import XfeldaskWarning

SHARED = {"detector": "square-64", "progress": False, "hits": {0: 0.05, 1: 0.75, 2: 0.2}, "nuisance": "realistic"}
SPECIES = {"protein": "chaperonin", "drop": {"sphere": {"diameter": 20e-9}, "weight": 0.2}}


def main(folder: Path) -> None:
    """Call every verb that computes."""
    one, several = folder / "one.zarr", folder / "several.zarr"
    simulate(one, particle="chaperonin", n_shots=400, **SHARED)
    simulate(several, species=SPECIES, n_shots=40, **SHARED)
    with in_haste():
        embed(one, progress=False)
        find_kinds(one, like=several, progress=False)
    reconstruct(one, symmetry="D8", resolution=12e-9, starts=1, n_iterations=2, half_sets=False, progress=False)
    phase(one, starts=1)


if __name__ == "__main__":
    warnings.simplefilter("ignore", XfeldaskWarning)
    with tempfile.TemporaryDirectory() as made:
        main(Path(made))
