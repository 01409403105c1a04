"""Simulate a mixture of single and double hits, embed it, and compare the verdict with the truth."""

import sys
import tempfile

from xfeldask import embed, open_dataset, simulate


def main(n_shots: int = 2000, detector: str = "square-256") -> None:
    store = tempfile.mkdtemp() + "/run.zarr"
    simulate(store, particle="chaperonin", detector=detector, n_shots=n_shots, single_fraction=0.9, seed=7)
    verdict = embed(store, n_components=3)

    single = open_dataset(store).n_particles.values == 1
    accepted = verdict.is_single.values
    print(f"{(accepted & single).sum()} of {single.sum()} singles accepted")
    print(f"{(~accepted & ~single).sum()} of {(~single).sum()} doubles rejected")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
