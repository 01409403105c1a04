"""The default rule: evidence on each hit, weighed by networks, and a threshold that follows from the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.physics.binning import SAME_STEP
from xfeldask.schema import LATENT
from xfeldask.sorting.deciding import Cut
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.pairs.lessons import MANY
from xfeldask.sorting.pairs.networks import MOST_HITS, PairNetworks
from xfeldask.sorting.pairs.sample import sample_hits
from xfeldask.sorting.pairs.witness import FEW, most_singles
from xfeldask.sorting.protocol import Allowance, Columns, Grids, Rule, Shots
from xfeldask.sorting.verdicts import told_of, verdicts

DOUBT, CLEAR_DOUBT = 0.03, 0.1
"""Fractions of the accepted by which more are expected to be single than look so for the purity not to be told: where
many hits are multiple, and where only some are, since noise is known less well in dim shots."""
SOME = 0.05
"""Fraction of multiple hits from which that is asked."""


class PairRule(Rule):
    """Tells hits of one particle from those of several by their fringes, without a guess of how many there are.

    Parameters
    ----------
    seed : int
    device : "auto", "cpu" or "cuda", where shots are measured, in whichever process that is

    Notes
    -----
    What is measured is told in `xfeldask.sorting.pairs.evidence`, how it is weighed in
    `xfeldask.sorting.pairs.weighing`, and how the threshold is found in `xfeldask.sorting.deciding`.

    Examples
    --------
    >>> ratio = np.array([9.0] * 95 + [-9.0] * 5 + [np.nan])
    >>> columns, decision = PairRule().decide({"log_ratio": ratio}, Allowance())
    >>> # a single, a multiple and a blank
    >>> columns["verdict"][[0, 95, 100]].tolist(), round(decision.multiple_fraction, 2)
    ([1, 2, 0], 0.05)
    """

    needs = ("low_q",)
    columns = (LATENT["log_ratio"], LATENT["autocorrelation_peak"], LATENT["separation"])
    allowance = "max_singles_lost"
    uses_labels = True
    uses_background = True

    def __init__(self, seed: int = 0, device: str = "cpu") -> None:
        self.networks = PairNetworks(seed, device)

    def fit(self, shots: Shots) -> Self:
        """Learn from a sample of the shots, and from those that are labelled, of too many from some."""
        index, images = sample_hits(shots, self.networks.seed)
        labels = shots.labels
        if labels is not None:
            more = np.setdiff1d(np.flatnonzero(labels >= 0), index)
            if len(more) > MOST_HITS:
                more = np.sort(np.random.default_rng(self.networks.seed).choice(more, MOST_HITS, replace=False))
            images = np.concatenate([images, shots.read("low_q", more)])
            labels = labels[np.concatenate([index, more])]
        self.networks.fit(images, shots.low_q_grid, labels, shots.background)
        return self

    def evidence(self, shots: Mapping[str, NDArray[Any]]) -> Columns:
        """Weigh the evidence on shots; NaN where a shot is blank."""
        found = self.networks.judge(shots["low_q"])
        return {"log_ratio": found.log_ratio, "autocorrelation_peak": found.peak, "separation": found.separation}

    def decide(self, columns: Mapping[str, NDArray[Any]], allowance: Allowance) -> tuple[Columns, Decision]:
        """Decide by the likeliest fraction of multiple hits; see `xfeldask.sorting.verdicts`."""
        out, found = verdicts(columns["log_ratio"], allowance, self.networks.seed)
        told = told_of(found, allowance)
        if found is None:
            return out, Decision(**told)
        purity = told.get("expected_purity")
        most = None if purity is None else self._contradicted(columns, found, purity)
        if most is not None:
            told |= dict.fromkeys(
                ("expected_purity", "expected_purity_interval", "purity_otherwise", "expected_others_kept")
            )
            told["purity_by_peaks"] = most
        return out, Decision(
            steady_photons=self.networks.steady_photons,
            background_photons=self.networks.background_photons,
            light_photons=self.networks.light_photons,
            farthest_pair=self.networks.farthest_pair,
            **told,
        )

    def _contradicted(self, columns: Mapping[str, NDArray[Any]], found: Cut, expected: float) -> float | None:
        """Return the fraction of singles among the accepted by their peaks, where that contradicts what is expected."""
        noise = self.networks.noise_peaks
        if not len(noise):
            return None
        hit = ~np.isnan(columns["log_ratio"])
        most = most_singles(columns["autocorrelation_peak"][hit][found.kept], noise)
        many = found.prevalence >= MANY or most < FEW
        doubted = most < expected - (DOUBT if many else CLEAR_DOUBT) and (many or found.prevalence >= SOME)
        return most if doubted else None

    def check(self, grids: Grids) -> None:
        """Refuse a `low_q` of another shape or other bins.

        Raises
        ------
        InputError
        """
        grid, shape, step = grids.low_q_grid, self.networks.window.weight.shape, self.networks.taught.evidence.step
        if shape != grid.shape or not np.allclose(grid.step, step, rtol=SAME_STEP, atol=0):
            here, there = (
                f"{y} x {x} bins of {width:.6g} 1/m"
                for (y, x), width in ((grid.shape, grid.step.mean()), (shape, step))
            )
            raise InputError(
                f"the other store is of another detector or geometry: its low_q has {here}, that of the model {there}"
            )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that was learned; see `PairNetworks.arrays`."""
        return self.networks.arrays()

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], device: str = "cpu") -> Self:
        """Return the rule that `arrays` came from; it judges to the same bits on the same device."""
        rule = cls()
        rule.networks = PairNetworks.restore(arrays, device)
        return rule
