"""Every number of an experiment at the ends of its range: refused in one sentence, or drawn as often as expected."""

from __future__ import annotations

from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import numpy as np
import pytest
from pydantic import BaseModel

from tests.campaigns.killing import ATOMS, BRIGHT
from xfeldask import Experiment, simulate
from xfeldask.config.limits import LIMITS
from xfeldask.errors import InputError

TINY = np.nextafter(0, 1)
SEPARATIONS = LIMITS["separation"]
BOUNDS: dict[str, tuple[Any, ...]] = {
    **{f"beam.{name}": (LIMITS[name].low, LIMITS[name].high) for name in BRIGHT},
    **{f"detector.{name}": (LIMITS[name].low, LIMITS[name].high) for name in ("pixel_size", "distance")},
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
CASES = [(name, end) for name, ends in BOUNDS.items() for end in ends]
EVERY_DAY = {"hits.single_fraction", "nuisance.pulse_spread", "n_shots"}
"""Numbers whose ends are tried every day, as they take no time; all of them are in a campaign."""


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


def test_bounds__are_those_of_all_numbers() -> None:
    assert numbers(Experiment) == set(BOUNDS)


@pytest.mark.parametrize(
    ("name", "end"),
    [pytest.param(*case, marks=() if case[0] in EVERY_DAY else pytest.mark.campaign) for case in CASES],
)
def test_number__at_the_end_of_its_range_is_refused_or_drawn_as_expected(tmp_path: Path, name: str, end: Any) -> None:
    values: dict[str, Any] = {"beam": {**BRIGHT}, "detector": {"source": "square-16"}, "n_shots": 8, "seed": 5}
    part, _, field = name.rpartition(".")
    if part:
        values[part] = {**values.get(part, {}), field: end}
    else:
        values[name] = end
    if name == "orientations.count":
        values[part]["kind"] = "uniform"
    if name == "hits.separation":
        values[part]["single_fraction"] = 0.0
    refusal, made = None, None
    try:
        made = simulate(tmp_path / "run.zarr", particle=ATOMS, intensity=True, progress=False, **values).load()
    except InputError as error:
        refusal = str(error)
    if made is None:
        assert refusal is not None
        assert "\n" not in refusal
        assert list(tmp_path.iterdir()) == []
        return
    expected = float(made.intensity.astype(np.float64).sum())
    counted = int(made.photon_count.sum()) + int(made.lost_photons.sum())
    assert np.isfinite(expected)
    assert abs(counted - expected) <= 6 * np.sqrt(expected) + 1e-5 * expected + 6
