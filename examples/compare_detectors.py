"""The same shots as several detectors read them: how many photons each counts, and how many that were never there."""

import tempfile
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from xfeldask import simulate

DETECTORS = {"pnccd": 75e-6, "agipd": 200e-6, "jungfrau": 75e-6, "epix10k": 100e-6}
"""Sizes of their pixels [m]."""
PHOTON, ADU_PER_EV = 4600.0, 1.25
"""Energy of the beam's photons [eV], and what the pnCCD reads of it."""
NOISY = {"preset": "pnccd", "noise": 0.15 * PHOTON, "common_mode": "row", "common_mode_spread": 0.1 * PHOTON, "adu": 1}


def shots(response: str | dict, pixel_size: float, n_shots: int, side: int, strength: float = 1) -> xr.Dataset:
    """Simulate shots on a detector of `side` pixels a side that covers the same angle whatever its pixels are."""
    detector = {"source": f"square-{side}", "pixel_size": pixel_size, "distance": pixel_size * side * 2}
    beam = {"photon_energy": PHOTON, "photons_per_pulse": 1e12 * strength, "focus_radius": 5e-7}
    return simulate(tempfile.mkdtemp() + "/run.zarr", particle="chaperonin", detector=detector, beam=beam,
                    response=response, n_shots=n_shots, seed=7, progress=False)  # fmt: skip


def draw(ds: xr.Dataset, pixels: int = 64) -> Figure:
    """Draw the pixels at one side of the beam: photons, what they read, and what is counted of that."""
    read = {"photons there": ds.ideal_photons, "what pixels read": ds.adu, "photons counted": ds.photons}
    figure = Figure(figsize=(11, 3.7), layout="constrained")
    for ax, (title, frames) in zip(figure.subplots(1, 3), read.items(), strict=True):
        row, column = (frames.sizes[name] // 2 for name in ("ss", "fs"))
        image = frames.values[0, 0, row : row + pixels, column : column + pixels]
        in_adu = frames.name == "adu"
        drawn = ax.imshow(image / (ADU_PER_EV * PHOTON if in_adu else 1), origin="lower", vmin=-0.5 * in_adu, vmax=3)
        ax.set(title=title, xlabel="pixel from the beam", ylabel="pixel from the beam")
        unit = "ADU over those of a photon" if in_adu else "photons in a pixel"
        figure.colorbar(drawn, ax=ax, label=unit, extend="max", shrink=0.85)
    return figure


def main(n_shots: int = 40, side: int = 512) -> None:
    print("detector   there  counted  false")
    for name, pixel_size in DETECTORS.items():
        ds = shots(name, pixel_size, n_shots, side)
        there, counted = ds.ideal_photons.values.astype(int), ds.photons.values.astype(int)
        # what is counted where no photon fell near is noise
        near = np.maximum.reduce([np.roll(there, (i, j), axis=(2, 3)) for i in (-1, 0, 1) for j in (-1, 0, 1)])
        print(f"{name:9} {there.sum():6,} {counted[near > 0].sum():8,} {counted[near == 0].sum():6,}")
    picture = Path(tempfile.mkdtemp(), "detector-response.png")
    draw(shots(NOISY, DETECTORS["pnccd"], 1, side, strength=10)).savefig(picture, dpi=130)
    print(picture)


if __name__ == "__main__":
    main()
