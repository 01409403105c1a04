"""Every number of an experiment at the ends of its range: refused in one sentence, or drawn as often as expected."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import numpy as np
from pydantic import BaseModel

from tests.campaigns.attempt import Attempt, Outcome
from tests.campaigns.killing import ATOMS, BRIGHT
from xfeldask import simulate
from xfeldask.config.limits import LIMITS
from xfeldask.errors import InputError

TINY = np.nextafter(0, 1)
SEPARATIONS = LIMITS["separation"]
BOUNDS: dict[str, tuple[Any, ...]] = {
    **{f"beam.{name}": (LIMITS[name].low, LIMITS[name].high) for name in BRIGHT},
    **{f"detector.{name}": (LIMITS[name].low, LIMITS[name].high) for name in ("pixel_size", "distance")},
    **{f"detector.response.{name}": (TINY, 1e9) for name in ("noise", "common_mode_spread")},
    "detector.response.cloud": (TINY, 1e-3),
    "detector.response.adu_per_kev": (TINY, 1e6),
    "detector.response.gain_spread": (TINY, 0.2),
    "detector.response.asic": ((1, 1), (10**9, 10**9)),
    "detector.response.threshold": (TINY, 1.0),
    "detector.response.saturation": (TINY, 1e300),
    **{f"detector.response.{name}": (TINY, 1 - 1e-16) for name in ("dead_fraction", "hot_fraction")},
    "hits.single_fraction": (0.0, TINY, 1 - 1e-16, 1.0),
    "hits.occupancy": (TINY, 10.0),
    "hits.weights": ({0: 1e12, 1: TINY}, {32: 1e12, 1: 1.0}, {32: TINY}),
    "hits.separation": ((SEPARATIONS.low, 2 * SEPARATIONS.low), (SEPARATIONS.low, SEPARATIONS.high)),
    "nuisance.pulse_spread": (TINY, 3.0),
    "nuisance.energy_spread": (TINY, 0.2),
    "nuisance.center_spread": (TINY, 100.0),
    "nuisance.size_spread": (TINY, 0.2),
    "nuisance.background": (TINY, 1e6),
    "nuisance.dead_fraction": (TINY, 1 - 1e-16),
    "background.spread": (TINY, 3.0),
    "orientations.count": (1, 10**7),
    "n_shots": (1,),
    "seed": (0, 2**64 - 1),
}
OUTSIDE: tuple[Any, ...] = (TINY, 1e-300, 1e30, 1e200, float("nan"), float("inf"), -1.0, 0, -1, 2**64, "1", None, True)
"""Numbers that nobody has, and what is none."""


def is_number(kind: Any) -> bool:
    """Whether a type holds a number somewhere."""
    if get_origin(kind) in (Annotated, Union, UnionType, tuple, dict):
        return any(is_number(part) for part in get_args(kind))
    return kind in (int, float)


def numbers(model: type[BaseModel], before: str = "") -> set[str]:
    """Names of all fields that hold numbers."""
    found = set()
    for name, field in model.model_fields.items():
        kinds = [part for part in (*get_args(field.annotation), field.annotation) if part is not NoneType]
        parts = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if parts:
            found |= numbers(parts[0], f"{before}{name}.")
        elif is_number(field.annotation):
            found.add(before + name)
    return found


def attempts(folder: Path, work: Path, dice: Random) -> Iterator[Attempt]:
    """Draw shots with one number at an end of its range, within it, or far outside, in turn, without end."""
    while True:
        for name in dice.sample([*BOUNDS], len(BOUNDS)):
            ends = BOUNDS[name]
            yield drawn(name, dice.choice(ends), work, dice.getrandbits(62))
            yield drawn(name, dice.choice(OUTSIDE), work, dice.getrandbits(62))
            if all(isinstance(end, float) for end in ends):
                yield drawn(name, inside(min(ends), max(ends), dice), work, dice.getrandbits(62))


def inside(low: float, high: float, dice: Random) -> float:
    """Draw a number between others, evenly in its logarithm."""
    return float(np.exp(dice.uniform(np.log(max(low, 1e-9 * high)), np.log(high))))


def drawn(name: str, value: Any, work: Path, seed: int = 5) -> Attempt:
    """Draw shots with a number of an experiment, and hold photons that were drawn against those that were expected."""
    what = f"{name} = {value!r} of seed {seed}"
    store = work / "ends" / "run.zarr"
    store.parent.mkdir()
    try:
        made = simulate(store, particle=ATOMS, intensity=True, progress=False, **experiment(name, value, seed)).load()
    except InputError as error:
        left = list(store.parent.iterdir())
        is_sentence = "\n" not in str(error) and not left
        return Attempt(what, Outcome.TOLD if is_sentence else Outcome.DIED, f"{error} {left or ''}")
    except Exception as error:  # whatever it is, it is no sentence
        return Attempt(what, Outcome.DIED, repr(error))
    finally:
        shutil.rmtree(store.parent)
    expected = float(made.intensity.astype(np.float64).sum())
    counted = int(made.photon_count.sum()) + int(made.lost_photons.sum())
    if "ideal_photons" in made:
        counted = int(made.ideal_photons.astype(np.int64).sum())
    sound = abs(counted - expected) <= 6 * np.sqrt(expected) + 1e-5 * expected + 6
    return Attempt(what, Outcome.WHOLE if sound else Outcome.SILENT, f"{counted} photons, {expected:g} expected")


def experiment(name: str, value: Any, seed: int) -> dict[str, Any]:
    """Give the parts of an experiment of which one number is another."""
    values: dict[str, Any] = {"beam": {**BRIGHT}, "detector": {"source": "square-16"}, "n_shots": 8, "seed": seed}
    part, _, field = name.rpartition(".")
    if part == "detector.response":
        values["detector"]["response"] = {
            "common_mode": "asic",
            "asic": (4, 4),
            "noise": 900.0,
            "adu": True,
            field: value,
        }
    elif part:
        values[part] = {**values.get(part, {}), field: value}
    else:
        values[name] = value
    if name == "orientations.count":
        values[part]["kind"] = "uniform"
    if name == "hits.separation":
        values[part]["single_fraction"] = 0.0
    return values
