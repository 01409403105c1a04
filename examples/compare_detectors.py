"""The same shots as several detectors read them: how many photons each counts, and how many that were never there."""

from __future__ import annotations

import tempfile

import numpy as np

from xfeldask import simulate

DETECTORS = {"pnccd": 75e-6, "agipd": 200e-6, "jungfrau": 75e-6, "epix10k": 100e-6}
"""Sizes of their pixels [m]."""


def main(n_shots: int = 40, side: int = 512) -> None:
    """Simulate shots through each of them, a detector of `side` pixels a side that covers the same angle."""
    print("detector   there  counted  false")
    for name, pixel_size in DETECTORS.items():
        ds = simulate(
            tempfile.mkdtemp() + "/run.zarr",
            particle="chaperonin",
            detector={"source": f"square-{side}", "pixel_size": pixel_size, "distance": pixel_size * side * 2},
            response=name,
            n_shots=n_shots,
            seed=7,
            progress=False,
        )
        there, counted = ds.ideal_photons.values.astype(int), ds.photons.values.astype(int)
        # what is counted where no photon fell near is noise
        near = np.maximum.reduce([np.roll(there, (i, j), axis=(2, 3)) for i in (-1, 0, 1) for j in (-1, 0, 1)])
        print(f"{name:9} {there.sum():6,} {counted[near > 0].sum():8,} {counted[near == 0].sum():6,}")


if __name__ == "__main__":
    main()
