"""Draw the middle of one assembled pattern and the intensity that its photons were drawn from."""

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
        pattern = ds.xfel.assemble(ds[name][0])
        rows, columns = pattern.shape
        picture = ax.imshow(pattern, vmin=0, vmax=top, cmap="viridis", origin="lower", interpolation="nearest")
        ax.set(xlim=(0.36 * columns, 0.64 * columns), ylim=(0.36 * rows, 0.64 * rows))
        ax.set(title=f"{name} of shot 0; white: no pixels", xlabel="x (pixels)", ylabel="y (pixels)")
        figure.colorbar(picture, ax=ax, label=f"photons a pixel, {top} or more in yellow", shrink=0.8)
    figure.savefig(out / "shot.png", dpi=130)
    print(out / "shot.png")
    return out / "shot.png"


if __name__ == "__main__":
    main(*sys.argv[1:2])
