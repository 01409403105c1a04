"""An engine of your own: fluorescence, which lights all pixels alike and as much as there are particles."""

import tempfile

import numpy as np

from xfeldask import register_engine, simulate

PHOTONS = 1000.0


class Fluorescence:
    """What `simulate` asks of an engine; photons are returned as frames, one shot at a time."""

    def __init__(self, experiment, geometry):
        self.seed, self.share = experiment.seed, geometry.mask / geometry.mask.sum()

    def expected(self, plan, shots):
        for particles in plan.n_particles:
            yield (PHOTONS * particles * self.share).astype(np.float32)

    def draw(self, plan, shots):
        for mean, shot in zip(self.expected(plan, shots), shots, strict=True):
            # numbers of the shot's own, so that a shot is the same in every run
            yield np.random.default_rng([self.seed, shot]).poisson(mean)[None]


def main(n_shots: int = 500, detector: str = "square-256") -> None:
    register_engine("fluorescence", Fluorescence)
    store = tempfile.mkdtemp() + "/run.zarr"
    ds = simulate(
        store, particle="chaperonin", detector=detector, engine="fluorescence", n_shots=n_shots, single_fraction=0.7
    )
    for particles, photons in ds.photon_count.groupby(ds.n_particles):
        print(f"{photons.size} shots with {particles}: {float(photons.mean()):.0f} photons on average")


if __name__ == "__main__":
    main()
