"""A feature of your own: photons over rings about the beam, each over the photons of the shot, found by name."""

import sys
import tempfile

import numpy as np

from xfeldask import embed, register_feature, simulate


class RingFractions:
    """Fraction of a shot's photons in rings of equal width, out to the edge of the image."""

    name, units = "ring_fractions", "1"

    def __init__(self, grid, n_rings=16):
        radius = np.linalg.norm(grid.s, axis=-1)  # of each bin [1/m]
        self.ring = np.minimum(n_rings * radius / radius.max(), n_rings - 1).astype(int).ravel()
        self.shape = (n_rings,)

    def __call__(self, images):
        rows = np.stack([np.bincount(self.ring, image.ravel(), self.shape[0]) for image in images])
        return rows / np.maximum(rows.sum(axis=1, keepdims=True), 1)


def main(n_shots: int = 2000, detector: str = "square-256") -> None:
    register_feature("ring_fractions", RingFractions)
    store = tempfile.mkdtemp() + "/run.zarr"
    simulate(store, particle="chaperonin", detector=detector, n_shots=n_shots, single_fraction=0.9, seed=7)
    latent = embed(store, features={"name": "ring_fractions", "n_rings": 24}, sort="elliptic_envelope")
    print(latent["mean"].values.round(3))
    # one that needs no grid and no options is just a function
    latent = embed(store, name="sides", features=lambda images: images.sum(axis=2), sort=None)
    print(latent.latent.shape)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
