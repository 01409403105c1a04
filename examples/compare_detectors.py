"""The same shots as several detectors read them: how many photons each counts, and how many that were never there."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from xfeldask import simulate

DETECTORS = {"pnccd": 75e-6, "agipd": 200e-6, "jungfrau": 75e-6, "epix10k": 100e-6}
"""Sizes of their pixels [m]."""
PHOTON = 4600.0
"""Energy of the beam's photons [eV]."""
CORNER = 64
"""Pixels a side of the picture."""
NOISY = {"preset": "pnccd", "noise": 0.15 * PHOTON, "common_mode": "row", "common_mode_spread": 0.1 * PHOTON,
         "adu": True}  # fmt: skip


def main(n_shots: int = 40, side: int = 512) -> Path:
    """Simulate shots through each of them, a detector of `side` pixels a side that covers the same angle."""
    print("detector   there  counted  false")
    for name, pixel_size in DETECTORS.items():
        ds = shots(name, pixel_size, n_shots, side)
        there, counted = ds.ideal_photons.values.astype(int), ds.photons.values.astype(int)
        # what is counted where no photon fell near is noise
        near = np.maximum.reduce([np.roll(there, (i, j), axis=(2, 3)) for i in (-1, 0, 1) for j in (-1, 0, 1)])
        print(f"{name:9} {there.sum():6,} {counted[near > 0].sum():8,} {counted[near == 0].sum():6,}")
    picture = Path(tempfile.mkdtemp()) / "detector-response.png"
    draw(shots(NOISY, DETECTORS["pnccd"], 1, side, strength=10)).savefig(picture, dpi=130)
    print(picture)
    return picture


def shots(response: str | dict, pixel_size: float, n_shots: int, side: int, strength: float = 1) -> xr.Dataset:
    """Simulate shots of the chaperonin on a square detector, 28 degrees across."""
    return simulate(
        tempfile.mkdtemp() + "/run.zarr",
        particle="chaperonin",
        detector={"source": f"square-{side}", "pixel_size": pixel_size, "distance": pixel_size * side * 2},
        beam={"photon_energy": PHOTON, "photons_per_pulse": 1e12 * strength, "focus_radius": 5e-7},
        response=response,
        n_shots=n_shots,
        seed=7,
        progress=False,
    )


def draw(ds: xr.Dataset) -> Figure:
    """Draw a corner of a pattern beside the beam: photons, what pixels read, and what is counted of that."""
    here = tuple(slice(ds.sizes[name] // 2, ds.sizes[name] // 2 + CORNER) for name in ("ss", "fs"))
    adu_per_photon = 1250.0 * PHOTON / 1e3
    panels = {
        "photons there": (ds.ideal_photons.values[0, 0][here], "photons in a pixel"),
        "what pixels read": (ds.adu.values[0, 0][here] / adu_per_photon, "ADU over those of a photon"),
        "photons counted": (ds.photons.values[0, 0][here], "photons in a pixel"),
    }
    figure = Figure(figsize=(11, 3.7), layout="constrained")
    for ax, (title, (image, unit)) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        drawn = ax.imshow(image, origin="lower", vmin=-0.5 if "read" in title else 0, vmax=3)
        ax.set(title=title, xlabel="pixel from the beam", ylabel="pixel from the beam")
        figure.colorbar(drawn, ax=ax, label=unit, extend="max", shrink=0.85)
    return figure


if __name__ == "__main__":
    main()
