"""A rule that tells hits from blanks and asks no more: it learns nothing, so that one shot is enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.physics.binning import SAME_STEP, ImageGrid
from xfeldask.schema import BLANK, LATENT, SINGLE
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.pairs.networks import HIT
from xfeldask.sorting.pairs.window import Window, excess
from xfeldask.sorting.protocol import Allowance, Columns, Grids, Rule, Shots

WIDTH = 1 / 3
"""Of the weight of bins around the beam, over the half-width of `low_q`, where it falls to 1/e."""


class HitRule(Rule):
    """Accepts all shots that hold more photons around the beam than the background far from it lets expect.

    Nothing is learned of the shots, and each is judged by itself: where bins weigh most is fixed, and the background
    is the one that is known of the run, or flat. A background that is brighter around the beam, and that nobody told,
    looks like hits. Nobody asks how many particles a hit holds.

    Examples
    --------
    >>> from xfeldask.physics.binning import low_q_grid
    >>> from xfeldask.physics.detectors import square
    >>> grid = low_q_grid(square(32, 1e-3, 0.1), 1e-10)
    >>> rule = HitRule()
    >>> rule.window = hit_window(grid)
    >>> flat, near = np.ones(grid.shape), np.hypot(*(np.indices(grid.shape) - 15.5)) < 8
    >>> evidence = rule.evidence({"low_q": np.stack([flat, flat + near])})
    >>> rule.decide(evidence, Allowance())[0]["verdict"].tolist()
    [0, 1]
    """

    needs = ("low_q",)
    columns = (LATENT["excess"],)
    uses_background = True

    window: Window
    step: float

    def fit(self, shots: Shots) -> Self:
        """Take note of the bins of the shots and of their background, where it is known."""
        self.window, self.step = hit_window(shots.low_q_grid, shots.background), float(shots.low_q_grid.step.mean())
        return self

    def evidence(self, shots: Mapping[str, NDArray[Any]]) -> Columns:
        """Measure how far shots lie above the background."""
        return {"excess": excess(shots["low_q"], self.window)}

    def decide(self, columns: Mapping[str, NDArray[Any]], allowance: Allowance) -> tuple[Columns, Decision]:  # noqa: ARG002
        """Accept all hits."""
        hit = columns["excess"] > HIT
        verdict = np.where(hit, SINGLE, BLANK).astype(np.uint8)
        return {"score": columns["excess"], "is_single": hit, "verdict": verdict}, Decision(threshold=HIT)

    def check(self, grids: Grids) -> None:
        """Refuse a `low_q` of another shape or other bins.

        Raises
        ------
        InputError
        """
        grid = grids.low_q_grid
        if self.window.weight.shape != grid.shape or not np.allclose(grid.step, self.step, rtol=SAME_STEP, atol=0):
            raise InputError("the other store is of another detector or geometry; sort it by itself")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return how bins are weighed, the shape of the background, and the width of bins."""
        return {"weight": self.window.weight, "good": self.window.good, "step": np.asarray(self.step)}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the rule that `arrays` came from."""
        rule = cls()
        weight, good = (np.asarray(arrays[name], np.float32) for name in ("weight", "good"))
        rule.window, rule.step = Window.plain(weight, good, 0.0, min(weight.shape) // 2), float(arrays["step"])
        return rule


def hit_window(grid: ImageGrid, background: NDArray[Any] | None = None) -> Window:
    """Return where photons speak for a particle, and where for the background alone, whatever the particle is.

    Parameters
    ----------
    grid : ImageGrid, of `low_q`
    background : (y, x), optional, its shape where it is known; flat by default
    """
    y, x = (np.arange(n) - c for n, c in zip(grid.shape, grid.center, strict=True))
    radius, reach = np.hypot(y[:, None], x), min(grid.shape) / 2
    near = (radius < reach) & (grid.weight > 0)
    weight = np.where(near, np.exp(-((radius / (WIDTH * reach)) ** 2)), 0)
    shape = grid.weight if background is None else np.where(grid.weight > 0, background, 0)
    return Window.plain(weight.astype(np.float32), np.asarray(shape, np.float32), 0.0, min(grid.shape) // 2)
