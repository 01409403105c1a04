"""`reproduce`: the mixtures of a 2020 poster, sorted by its rule and by ours, both scored against the truth."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xfeldask.config import NUISANCES
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.formats.inputs import resolve
from xfeldask.physics.orientations import symmetry_group
from xfeldask.physics.symmetry import SYMMETRY
from xfeldask.report.poster import curves, spaces
from xfeldask.report.poster.results import Case, Row, read_table
from xfeldask.report.poster.table import MOST_ORIENTED, NEIGHBOURS, ORIENTED, place, write_table
from xfeldask.scores import OrientationScores, calibration, orientation_scores, sorting_scores
from xfeldask.sorting.decision import Decision
from xfeldask.store.run import open_run
from xfeldask.verbs.arguments.asked import as_experiment
from xfeldask.verbs.embed import embed
from xfeldask.verbs.simulate import simulate

LEAST_SHOTS = 1000


def reproduce(
    folder: str | Path,
    *,
    sizes: Iterable[int] = (10_000, 100_000),
    mixtures: Iterable[float] = (0.8, 0.9, 0.95, 0.99),
    conditions: Iterable[str] = ("ideal",),
    particle: str = "chaperonin",
    detector: str = "pnccd-amo86615",
    seed: int = 7,
    progress: bool = True,
) -> list[Row]:
    """Simulate, embed, sort and score a series of mixtures, on the scheduler that Dask has active.

    What is in the folder already is neither simulated nor embedded again; the table is rewritten after every run.

    Parameters
    ----------
    folder : path, made if it is not there; holds the stores, ``reproduction.csv`` and ``.md``, and ``figures``
    sizes : int, shots of a run, 1000 or more
    mixtures : float, fractions of the shots with one particle, above 0 and at most 1; the rest hold two
    conditions : any of "ideal", "jitter" and "realistic", see `xfeldask.config.Nuisance`
    particle, detector, seed : as of `xfeldask.simulate`
    progress : bool, show progress on stderr

    Returns
    -------
    list of `Row`, all of the folder's table

    Raises
    ------
    InputError
        A value out of range, a condition that is not known, a folder that holds another series.

    Examples
    --------
    >>> reproduce("series", sizes=[100])
    Traceback (most recent call last):
    xfeldask.errors.InputError: a run needs 1000 shots or more for its rule to learn from, got 100
    """
    runs = series(sizes, mixtures, conditions)
    asked, _, _ = as_experiment(None, particle, runs[0].shots, None, {"detector": detector, "seed": seed})
    resolve(asked)  # refuses before a folder is made
    folder, made_of = Path(folder), {"particle": particle, "detector": detector, "seed": seed}
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error
    table = read_table(folder, made_of)
    for number, case in enumerate(runs, 1):
        if progress:
            print(f"run {number} of {len(runs)}: {case.title}", file=sys.stderr, flush=True)
        store = folder / f"{case.name}.zarr"
        simulate(
            store, particle=particle, n_shots=case.shots, detector=detector, single_fraction=case.mixture,
            nuisance=case.condition, seed=seed, resume=store.exists(), progress=progress,
        )  # fmt: skip
        took = {key[1]: row.seconds for key, row in table.items() if key[0] == case} | _embed_missing(store, progress)
        for row in _scored(case, store, folder / "figures", took, made_of):
            table[case, row.rule] = row
        write_table(folder, sorted(table.values(), key=place))
    return sorted(table.values(), key=place)


def series(sizes: Iterable[int], mixtures: Iterable[float], conditions: Iterable[str]) -> list[Case]:
    """List all runs that are asked for, the small ones first; refuse those that make no sense.

    Raises
    ------
    InputError

    Examples
    --------
    >>> [case.name for case in series([2000, 1000], [0.9], ["ideal"])]
    ['ideal-1000-0.9', 'ideal-2000-0.9']
    """
    shots, singles, under = list(dict.fromkeys(sizes)), list(dict.fromkeys(mixtures)), list(dict.fromkeys(conditions))
    for name, values in {"sizes": shots, "mixtures": singles, "conditions": under}.items():
        if not values:
            raise InputError(f"a series needs at least one value in {name}")
    for size in shots:
        if size < LEAST_SHOTS:
            raise InputError(f"a run needs {LEAST_SHOTS} shots or more for its rule to learn from, got {size}")
    for mixture in singles:
        if not 0 < mixture <= 1:
            raise InputError(f"a mixture is the fraction of single hits, above 0 and at most 1, got {mixture}")
    for condition in under:
        if condition not in NUISANCES:
            raise UnknownNameError("condition", condition, NUISANCES)
    return [Case(condition, size, float(single)) for size in sorted(shots) for condition in under for single in singles]


def _embed_missing(store: Path, progress: bool) -> dict[str, float]:
    """Build the embeddings that a store lacks; return the seconds that each one took."""
    run = open_run(store)
    ds = run.dataset(chunks=None)
    images, bin = ds.image, int(ds.attrs["bin"])
    wanted: dict[str, dict[str, Any]] = {
        "reference": {
            "features": {"name": "fourier_crop", "n": min(128, *images.shape[1:])},
            "n_components": 3, "batch_size": 100, "sort": "elliptic_envelope", "contamination": 0.1, "stop": False,
        },
        "ours": {"measures": ("jensen_shannon", "reconstruction")},
        # a finer image holds more noise than orientation at a few hundred photons
        "orientation": {"features": {"name": "unit_root", "bin": 2 * bin}, "n_components": 20, "sort": None},
    }  # fmt: skip
    have, took = run.embeddings, {}
    for name, options in wanted.items():
        if name not in have:
            start = time.monotonic()
            embed(store, name=name, progress=progress, **options)
            took[name] = time.monotonic() - start
    return took


def _scored(case: Case, store: Path, figures: Path, took: Mapping[str, float], made_of: Mapping[str, Any]) -> list[Row]:
    """Score a run and draw its figures."""
    opened = open_run(store)
    ds = opened.dataset(chunks=None)
    latents = {name: embedding.dataset().load() for name, embedding in opened.embeddings.items()}
    single, orientation = ds.n_particles.values == 1, ds.orientation.values[:, 0]
    sample = np.sort(np.random.default_rng(made_of["seed"]).permutation(np.flatnonzero(single))[:MOST_ORIENTED])
    oriented = {
        rule: _oriented(latents[name].latent.values[sample], orientation[sample], made_of)
        for rule, name in ORIENTED.items()
    }
    _draw(case, figures, single, latents, (sample, orientation[sample]), oriented)
    return [_row(case, rule, single, latents[rule], oriented[rule], took, made_of) for rule in ORIENTED]


def _draw(
    case: Case, figures: Path, single: NDArray[np.bool_], latents: Mapping[str, xr.Dataset],
    orientations: tuple[NDArray[np.int64], NDArray[np.float64]], oriented: Mapping[str, OrientationScores],
) -> None:  # fmt: skip
    """Save the figures of a run; `orientations` are those of some shots, and which shots."""
    rules = {rule: latents[rule] for rule in ORIENTED}
    watched = {name: latents[name] for name in ("ours", "orientation")}
    angles = {
        f"{rule},\n{latents[name].sizes['component']} components": oriented[rule] for rule, name in ORIENTED.items()
    }
    shots, quaternions = orientations
    pictures: dict[str, Callable[[], Figure]] = {
        "latent": lambda: spaces.latent_spaces(single, rules, case.title),
        "convergence": lambda: spaces.convergence(watched, case.title),
        "orientation": lambda: spaces.orientation(
            latents["orientation"].isel(shot=shots), quaternions, angles, case.title
        ),
        "certainty": lambda: curves.certainty(single, rules, case.title),
    }
    if single.any() and not single.all():
        pictures["detection"] = lambda: curves.detection(single, rules, case.title)
    for name, draw in pictures.items():
        draw().savefig(figures / f"{case.name}-{name}.png", dpi=110)


def _oriented(latent: NDArray[Any], orientation: NDArray[np.float64], made_of: Mapping[str, Any]) -> OrientationScores:
    if len(latent) <= NEIGHBOURS:
        return OrientationScores(math.nan, math.nan, math.nan, len(latent), NEIGHBOURS)
    known = SYMMETRY.get(made_of["particle"])
    group = None if known is None else symmetry_group(known)
    return orientation_scores(latent, orientation, group, neighbours=NEIGHBOURS, seed=made_of["seed"])


def _row(
    case: Case, rule: str, single: NDArray[np.bool_], latent: xr.Dataset, oriented: OrientationScores,
    took: Mapping[str, float], made_of: Mapping[str, Any],
) -> Row:  # fmt: skip
    scores = sorting_scores(single, latent.is_single.values, latent.score.values)
    promised = "probability_single" in latent
    return Row(
        **asdict(case),
        rule=rule,
        confusion=scores.confusion,
        roc_auc=scores.roc_auc,
        average_precision=scores.average_precision,
        baseline_average_precision=scores.baseline_average_precision,
        multiples_rejected_fraction_at_1_percent=scores.multiples_rejected_fraction_at_limit,
        expected_singles_rejected_fraction=_expected_loss(latent),
        calibration_error=calibration(latent.probability_single.values, single).error if promised else math.nan,
        orientation_error=oriented.median_error,
        orientation_random=oriented.random,
        orientation_oracle=oriented.oracle,
        seconds=took.get(rule, math.nan),
        **made_of,
    )


def _expected_loss(latent: xr.Dataset) -> float:
    expected = Decision.from_json(latent.attrs["decision"]).expected_singles_lost
    return math.nan if expected is None else expected
