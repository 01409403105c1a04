"""A rule of your own, found by name: two particles scatter more photons than one, so the brightest are flagged."""

import sys
import tempfile

import numpy as np

from xfeldask import embed, open_dataset, register_rule, simulate, sort
from xfeldask.schema import Variable
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.protocol import Rule


class BrightestFlagged(Rule):
    """Flags the given fraction of the shots, those with the most photons."""

    needs = ("photon_count",)
    columns = (Variable("relative_brightness", ("shot",), "float64", "photons of a shot over the median of all"),)
    allowance = "contamination"

    def __init__(self, typical=1.0):
        self.typical = typical

    def fit(self, shots):
        return BrightestFlagged(float(np.median(shots.read("photon_count"))))

    def evidence(self, shots):
        return {"relative_brightness": shots["photon_count"] / self.typical}

    def decide(self, columns, allowance):
        brightness = columns["relative_brightness"]
        most = float(np.quantile(brightness, 1 - allowance.contamination))
        return {"score": most - brightness, "is_single": brightness <= most}, Decision(threshold=0.0)

    def arrays(self):
        return {"typical": np.asarray(self.typical)}

    @classmethod
    def restore(cls, arrays):
        return cls(float(arrays["typical"]))


def main(n_shots: int = 2000, detector: str = "square-256") -> None:
    register_rule("brightest_flagged", BrightestFlagged)
    store = tempfile.mkdtemp() + "/run.zarr"
    simulate(store, particle="chaperonin", detector=detector, n_shots=n_shots, single_fraction=0.9, seed=7)
    single = open_dataset(store).n_particles.values == 1
    embed(store, sort="brightest_flagged", contamination=0.05)
    for contamination in (0.05, 0.1):
        kept = sort(store, contamination=contamination).is_single.values
        print(f"{(kept & single).sum()} of {single.sum()} singles kept, {(kept & ~single).sum()} doubles let in")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
