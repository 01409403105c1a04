"""What the pair rule expects, and what is true, in beams that are harder than the usual ones."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.common import PNCCD, effort, measures, particle
from xfeldask import simulate
from xfeldask.errors import InputError
from xfeldask.physics.binning import ImageGrid
from xfeldask.sorting.deciding import Cut, decide
from xfeldask.sorting.pairs.blanks import find_blanks
from xfeldask.sorting.pairs.rule import PairRule
from xfeldask.sorting.pairs.zero_fluence import Moments, at_zero_fluence, central_bins
from xfeldask.sorting.protocol import Allowance, Columns
from xfeldask.store.run import open_run

SMOKE = effort(1, 0) == 1
DETECTOR, N_HITS = ("square-64" if SMOKE else PNCCD), effort(500, 2000, 6000)
USUAL = 0.05
"""Fraction of multiple hits."""
MULTIPLE = {"5 % multiples": 0.05, "50 % multiples": 0.5, "65 % multiples": 0.65, "80 % multiples": 0.8}
BLANKS = ", with blanks"
"""What is written after a condition under which a third of the shots are blank, and tell the background."""
BY_HITS = ", by its hits"
"""What is written after a condition whose background is measured on what the rule first takes for single hits."""
STOPS = {"beam stop of 1 mm": 1e-3, "beam stop of 2 mm": 2e-3, "beam stop of 4 mm": 4e-3}
"""Diameters [m] of what hides the middle of the detector."""
BIN = 150e-6
"""Side of a bin of `low_q` [m], of the pnCCD."""
STEADY = {"spot, 0.2 a pixel": 0.2, "spot, 1 a pixel": 1.0, "streak, 15 %": 0.15, "ring, 15 %": 0.15, "ring, 50 %": 0.5}


@cache
def hits(number: int) -> tuple[ImageGrid, NDArray[np.uint16]]:
    """`low_q` of realistic hits of one particle, or of two (three quarters) and three; of half as many blanks for 0."""
    with TemporaryDirectory(prefix="xfeldask-bench-") as folder:
        path = Path(folder) / "run.zarr"
        weights = {0: {0: 1.0, 1: 1e-9}, 1: {1: 1.0}, 2: {2: 0.75, 3: 0.25}}[number]
        source = "chaperonin" if SMOKE else particle("1ei7")
        simulate(
            path, particle=source, detector=DETECTOR, n_shots=N_HITS if number else N_HITS // 2, hits=weights,
            nuisance="realistic", seed=number, progress=False,
        )  # fmt: skip
        run = open_run(path)
        return run.low_q_grid, run.dataset().low_q[:].values


def steady(condition: str, grid: ImageGrid, photons: float) -> NDArray[np.float64]:
    """Photons to expect of a shot that no particle scatters, (y, x); `photons` are a shot's own."""
    y, x = (np.arange(n) - c for n, c in zip(grid.shape, grid.center, strict=True))
    unit, amount = min(grid.shape) / 130, STEADY[condition]
    if condition.startswith("spot"):
        side = 20 / 2 * unit
        there = (y[:, None] > 4 * unit) & (y[:, None] < 4 * unit + side) & (x > 6 * unit) & (x < 6 * unit + side)
        # a bin of this image holds the photons of four pixels
        return np.asarray(there * grid.weight * amount * 4, np.float64)
    shape = (
        np.exp(-((y[:, None] / (2 * unit)) ** 2) - np.abs(x) / (20 * unit))
        if condition.startswith("streak")
        else np.exp(-((np.hypot(y[:, None], x) - 25 * unit) ** 2) / (72 * unit**2))
    )
    return np.asarray(shape * grid.weight * amount * photons / (shape * grid.weight).sum())


def behind(stop: float, grid: ImageGrid) -> ImageGrid:
    """Return the grid without the bins that a round beam stop of this diameter [m] touches."""
    y, x = (np.arange(n) - c for n, c in zip(grid.shape, grid.center, strict=True))
    hidden = np.hypot(y[:, None], x) < stop / 2 / BIN + 0.5
    return replace(grid, weight=np.where(hidden, 0, grid.weight).astype(np.float32))


class HardBeams:
    """1EI7 under realistic conditions, hits and, where it is said, blanks; steady light differs by half."""

    params = [
        *MULTIPLE,
        *STOPS,
        *STEADY,
        *(condition + BLANKS for condition in STEADY),
        *(condition + BY_HITS for condition in STEADY),
    ][:: 10 if SMOKE else 1]
    param_names = ("condition",)
    timeout = 1800

    def setup(self, condition: str) -> None:
        condition, by_hits, _ = condition.partition(BY_HITS)
        condition, blanks, _ = condition.partition(BLANKS)
        rng = np.random.default_rng(0)
        (grid, one), (_, several) = hits(1), hits(2)
        n = round(MULTIPLE.get(condition, USUAL) * N_HITS)
        images = np.concatenate([one[: N_HITS - n], several[:n]])
        photons = images.sum(axis=(1, 2)).mean()
        images = np.concatenate([images, *([hits(0)[1]] if blanks else [])])
        if condition in STEADY:
            mean = steady(condition, grid, photons)
            spread = 1.0 if condition.startswith("spot") else rng.gamma(4, 0.25, (len(images), 1, 1))
            images = (images + rng.poisson(mean * spread, images.shape)).astype(np.uint16)
        if condition in STOPS:
            grid = behind(STOPS[condition], grid)
            images *= (grid.weight > 0).astype(np.uint16)
        order = rng.permutation(len(images))
        self.grid, self.images, self.single = grid, images[order], (np.arange(len(images)) < N_HITS - n)[order]
        self.tell_background, self.measure_on_hits = bool(blanks), bool(by_hits)

    @cached_property
    def rule(self) -> PairRule | None:
        """The rule, taught on these hits; None where it refused."""
        try:
            rule = PairRule()
            background = None
            if self.tell_background:
                background = self.images[find_blanks(self.images, self.grid)[0]].mean(axis=0)
            rule.networks.fit(self.images, self.grid, background=background)
            if self.measure_on_hits:
                rule.networks.fit(self.images, self.grid, background=self.background_of_hits(rule))
        except InputError as error:
            print(error)
            return None
        return rule

    def background_of_hits(self, rule: PairRule) -> NDArray[np.float64]:
        """Photons that the hits which a rule accepts hold whatever their brightness."""
        accepted = rule.decide(rule.evidence({"low_q": self.images}), Allowance())[0]["is_single"]
        good, images = self.grid.weight, self.images[accepted]
        central = central_bins(images.sum(axis=0, dtype=np.float64), good, self.grid.center)
        return at_zero_fluence(Moments.of(images, central), central, good)

    @cached_property
    def evidence(self) -> Columns:
        """What the rule measured."""
        return self.rule.evidence({"low_q": self.images}) if self.rule else {}

    @property
    def ratio(self) -> NDArray[np.float64]:
        """Log ratios of the hits; NaN where the rule refused."""
        return self.evidence.get("log_ratio", np.full(len(self.images), np.nan))

    @cached_property
    def cut(self) -> Cut | None:
        hit = ~np.isnan(self.ratio)
        return decide(self.ratio[hit]) if hit.any() else None

    def accepted(self) -> NDArray[np.bool_]:
        kept = np.zeros(len(self.images), bool)
        if self.cut is not None:
            kept[~np.isnan(self.ratio)] = self.cut.kept
        return kept

    @measures("%", "as expected")
    def track_purity(self, condition: str) -> float:
        """Singles among the accepted; none where the rule refused."""
        return 100 * float(self.single[self.accepted()].mean()) if self.cut else float("nan")

    @measures("%")
    def track_expected_purity(self, condition: str) -> float:
        """What the rule says of that, which knows no truth; none where it says that it does not know."""
        told = self.rule.decide(self.evidence, Allowance())[1].expected_purity if self.rule else None
        return float("nan") if told is None else 100 * told

    @measures("%", "1")
    def track_singles_lost(self, condition: str) -> float:
        """Singles rejected, of all singles."""
        return 100 * float(1 - self.accepted()[self.single].mean()) if self.cut else float("nan")

    @measures("shots")
    def track_multiples_accepted(self, condition: str) -> float:
        """Multiple hits and blanks accepted."""
        return float((self.accepted() & ~self.single).sum()) if self.cut else float("nan")

    @measures("", "0.99")
    def track_auc(self, condition: str) -> float:
        """Area under the ROC of singles against multiples, of hits that the rule takes for hits."""
        hit = ~np.isnan(self.ratio)
        return float(roc_auc_score(self.single[hit], self.ratio[hit])) if self.cut else float("nan")
