"""The figure by which a person sees whether the gain is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xfeldask.errors import InputError
from xfeldask.physics.adu_peaks import fit_peaks
from xfeldask.store.adu_histogram import read_histogram
from xfeldask.store.intake import stored_intake
from xfeldask.store.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def photon_histogram(run: Run) -> Figure:
    """Draw what pixels held before it was rounded, with the peaks of no and of one photon as they were fitted.

    Parameters
    ----------
    run : Run, of frames that were photonized

    Raises
    ------
    InputError
        Nothing was photonized.
    """
    found, intake = read_histogram(run.group), stored_intake(run.group)
    if found is None or intake is None or intake.photonize is None:
        raise InputError(f"{run.path} was not photonized; there is no histogram of ADU to draw")
    x, counts = found
    peaks, threshold = fit_peaks(counts), intake.photonize.threshold
    from matplotlib.figure import Figure  # imported by who draws: each command imports this module

    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    ax = figure.subplots()
    ax.stairs(np.maximum(counts, 0.5), np.concatenate([x - (x[1] - x[0]) / 2, [x[-1]]]), color="0.25", lw=1)
    for middle, width, color, name in (
        (peaks.zero, peaks.zero_width, "#0072b2", "no photon"),
        (peaks.one, peaks.one_width, "#d55e00", "one photon"),
    ):
        if np.isfinite(middle):
            height = counts[np.abs(x - middle).argmin()]
            near = np.abs(x - middle) < 2.5 * width
            ax.plot(x[near], height * np.exp(-((x[near] - middle) ** 2) / (2 * width**2)), color=color, lw=2,
                    label=f"{name}: at {middle:.3f}, {width:.3f} wide")  # fmt: skip
    ax.axvline(threshold, color="0.5", ls="--", lw=1, label=f"threshold {threshold:g}")
    ax.set(yscale="log", ylim=(0.8, None), xlim=(x[0], x[-1]), xlabel="photons, by dark, common mode and gain",
           ylabel="pixels", title=f"{run.path.name}: {run.n_shots:,} frames")  # fmt: skip
    ax.legend(frameon=False, fontsize=9)
    return figure


def peaks_told(run: Run) -> str | None:
    """Return in a few words where the peaks are; None where nothing was photonized."""
    found = read_histogram(run.group)
    if found is None:
        return None
    peaks = fit_peaks(found[1])
    one = "no peak of one photon" if np.isnan(peaks.one) else f"one photon at {peaks.one:.3f} of the gain"
    if np.isnan(peaks.zero):
        return f"{one}, that of no photon too narrow to be measured"
    return f"{one}, no photon at {peaks.zero:.3f} and {peaks.zero_width:.3f} photon wide"
