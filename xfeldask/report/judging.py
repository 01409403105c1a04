"""What `judge` found, as a table and as a figure."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from rich.table import Table

_COLORS = {"all hits": "#d1495b", "accepted": "#2f7fb8", "true singles": "#555555"}


def judgement_table(found: xr.Dataset) -> Table:
    """Make a table of a judgement: a row a set, with the range over repeats.

    Parameters
    ----------
    found : Dataset, as of `judge`
    """
    table = Table(title="reconstructed from", title_justify="left")
    for name in ("set", "shots", "single", "correlation with the exact intensity", "orientation error"):
        table.add_column(name)
    for which in found["set"].values:
        own = found.sel(set=which)
        mean, error = own["mean_correlation"].values, own["orientation_error"].values
        table.add_row(
            str(which),
            f"{int(own['n_shots']):,}",
            f"{float(own['purity']):.1%}",
            f"{mean.mean():.3f} ({mean.min():.3f} to {mean.max():.3f})",
            f"{error.mean():.1f} deg ({error.min():.1f} to {error.max():.1f})",
        )
    return table


LEAST_FOREIGN = 0.005
"""Fraction of the accepted shots that are of another species, from which on it is told."""


def sentence(found: xr.Dataset) -> str:
    """Say in one sentence what contamination cost, what sorting gave back, and what it let in.

    Parameters
    ----------
    found : Dataset, as of `judge`
    """
    foreign = float(found["other_species"].sel(set="accepted"))
    if foreign < LEAST_FOREIGN:
        return _cost(found)
    return f"{_cost(found)}; {foreign:.1%} of the accepted are of another species (see xfeldask kinds)"


def _cost(found: xr.Dataset) -> str:
    everything, accepted, best = found["mean_correlation"].mean("repeat").values
    if best - everything < 0.005:
        return f"contamination costs this reconstruction nothing that can be seen ({everything:.3f} to {best:.3f})"
    spread = float(np.ptp(found["mean_correlation"].values, axis=1).max())
    cost = f"contamination costs {best - everything:.3f} of correlation"
    if accepted <= everything:
        return f"{cost}, and sorting gives none back: accepted shots correlate less by {everything - accepted:.3f}"
    if best - everything < spread:
        return f"{cost}, less than repeats differ by ({spread:.3f}): what sorting gives back cannot be told"
    back = (accepted - everything) / (best - everything)
    return f"{cost}, and sorting gives {back:.0%} of it back"


def judgement_figure(found: xr.Dataset) -> Figure:
    """Draw the correlation with the exact intensity shell by shell, its mean and range over repeats.

    Parameters
    ----------
    found : Dataset, as of `judge`
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    s = found["s"].values * 1e-9
    for which in found["set"].values:
        own = found["correlation"].sel(set=which).values
        color = _COLORS.get(str(which), "black")
        # what was accepted may lie on what is single in truth
        line = "--" if which == "true singles" else "-"
        label = f"{which}, {float(found['purity'].sel(set=which)):.1%} single"
        axes.plot(s, own.mean(axis=0), line, color=color, label=label)
        axes.fill_between(s, own.min(axis=0), own.max(axis=0), color=color, alpha=0.2, linewidth=0)
    axes.set(
        xlabel="s (1/nm)",
        ylabel="correlation with the exact intensity",
        ylim=(min(0, float(found["correlation"].min()) - 0.02), 1.02),
    )
    above = axes.secondary_xaxis("top", functions=(_inverse, _inverse))
    above.set_xlabel("resolution (nm)")
    above.set_xticks([t for t in (10, 6, 4, 3, 2.5, 2, 1.5, 1) if s[0] <= 1 / t <= s[-1]])
    axes.legend(frameon=False, loc="best")
    axes.spines[["right"]].set_visible(False)
    return figure


def _inverse(x: ArrayLike) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.asarray(1 / np.maximum(np.asarray(x), 1e-9))
