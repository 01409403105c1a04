"""Draw one assembled pattern and the intensity that its photons were drawn from."""

import sys
import tempfile
from pathlib import Path

from matplotlib.figure import Figure

from xfeldask import simulate


def main(folder: str | None = None, detector: str = "pnccd-amo86615") -> Path:
    out = Path(folder or tempfile.mkdtemp())
    ds = simulate(out / "one.zarr", particle="chaperonin", detector=detector, n_shots=1, intensity=True, seed=3)
    figure = Figure(figsize=(11, 5), layout="constrained")
    for ax, name, top in zip(figure.subplots(1, 2), ("photons", "intensity"), (1, 0.05), strict=True):
        picture = ax.imshow(ds.xfel.assemble(ds[name][0]), vmax=top, cmap="viridis", interpolation="antialiased")
        ax.set(title=f"{name} of shot 0", xlabel="column (pixels)", ylabel="row (pixels)")
        figure.colorbar(picture, ax=ax, label="photons a pixel")
    figure.savefig(out / "shot.png")
    print(out / "shot.png")
    return out / "shot.png"


if __name__ == "__main__":
    main(*sys.argv[1:2])
