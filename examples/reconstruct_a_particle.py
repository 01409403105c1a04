"""From a particle to its density: simulate hits, sort them, reconstruct, compare with the truth, phase, draw."""

import sys
import tempfile
from pathlib import Path

from xfeldask import embed, open_run, phase, reconstruct, reconstruction_quality, simulate
from xfeldask.report.reconstruction_figure import reconstruction_figure


def main(n_shots: int = 5000, folder: str | None = None, detector: str = "pnccd-amo86615", **options: object) -> None:
    out = Path(folder or tempfile.mkdtemp())
    store = out / "run.zarr"
    simulate(store, particle="chaperonin", detector=detector, n_shots=n_shots, single_fraction=0.9, seed=7)
    embed(store)

    reconstruct(store, symmetry="D8", **options)  # from the shots that were accepted
    quality = reconstruction_quality(store)
    print(f"orientations: {quality.orientation_error:.1f} degrees off, {quality.random:.0f} at random")
    print(f"correlation with the exact intensity: {quality.shells.correlation.mean():.2f} on average")

    found = phase(store, density=out / "density.mrc", intensity=out / "intensity.h5")
    figure = reconstruction_figure(found, quality)
    figure.savefig(out / "reconstruction.png", dpi=150)
    print(open_run(store).reconstructions["emc"])
    print(f"open in ChimeraX: {out / 'density.mrc'}    look at: {out / 'reconstruction.png'}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]), *sys.argv[2:3])
