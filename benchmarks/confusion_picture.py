"""What hits of thirteen species are taken for, and the limit beside it: a picture of the documentation, made anew.

Run ``python -m benchmarks.confusion_picture docs``; it takes some minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from benchmarks.bench_kinds import NamedKinds, right
from benchmarks.likelihood_limit import told_by_all_but_the_species
from xfeldask.report.confusion_figure import confusion_figure, counts_of

AS_IN_THE_EXAMPLE = 1.0
"""Brightness of the pulses."""


def main(folder: Path) -> None:
    """Make the picture, and say how many of each species are told right."""
    bench = NamedKinds()
    bench.setup(AS_IN_THE_EXAMPLE, "cpu")
    run, frames, pixels = bench.shots
    _, _, truth, probability = bench.found
    panels = {
        "class models": probability.argmax(axis=1),
        "orientation, size and background told": told_by_all_but_the_species(run, frames, pixels),
    }
    matrices = {
        f"{title}: {right(truth, found):.0%} right": counts_of(truth, found, run.species, run.species)
        for title, found in panels.items()
    }
    for title, matrix in matrices.items():
        print(title, np.array2string(matrix.values), sep="\n")
    confusion_figure(matrices).savefig(folder / "confusion.png", dpi=90)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
