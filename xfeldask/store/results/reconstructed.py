"""A reconstruction as it is stored: from the state of its iterations to variables, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from xfeldask.orient.models import Models
from xfeldask.orient.rotations import rotation_grid
from xfeldask.orient.state import Look, State
from xfeldask.physics.orientations import angle_between
from xfeldask.schema import RECONSTRUCTION

_LOOKS = {"level": "level", "exponent": "exponent", "mean_information": "information",
          "mean_log_likelihood": "log_likelihood", "change": "change"}  # fmt: skip


def dataset_of(state: State, shots: NDArray[np.int64], n_shots: int, group: ArrayLike) -> xr.Dataset:
    """Return the variables of a reconstruction of one intensity.

    Parameters
    ----------
    state : State, of `shots`
    shots : int64 (n,), absolute indices
    n_shots : int, of the run
    group : (order, 4), symmetry of the particle
    """
    intensity, size = state.models.intensity[0], state.models.intensity.shape[-1]
    grid = rotation_grid(state.refinement, group)
    values: dict[str, Any] = {
        "intensity": intensity,
        "exposure": state.exposure[0],
        "s": (np.arange(size) - size // 2) * state.models.step,
        "used": _of_all(np.ones(len(shots), bool), shots, n_shots),
        "rotation": grid.quaternion,
    }
    values |= {name: _of_all(column, shots, n_shots) for name, column in columns_of(state, group).items()}
    values |= {name: np.array([getattr(look, of) for look in state.history]) for name, of in _LOOKS.items()}
    found = xr.Dataset({name: variable(name, value) for name, value in values.items()})
    return found.assign_attrs(n_shots=n_shots, level=state.level, iteration=state.iteration,
                              refinement=state.refinement, step=state.models.step)  # fmt: skip


def columns_of(state: State, group: ArrayLike) -> dict[str, NDArray[Any]]:
    """Return what is known of each shot of a reconstruction of one intensity, by name."""
    quaternion = rotation_grid(state.refinement, group).quaternion[np.maximum(state.rotation, 0)]
    angle = angle_between(quaternion, quaternion[:, :1], group, friedel=True)
    weight = state.probability.astype(np.float64)
    return {
        "orientation": quaternion[:, 0],
        "orientation_spread": np.sqrt((weight * angle * angle).sum(axis=1) / weight.sum(axis=1)),
        "log_likelihood": state.log_likelihood,
        "contrast_likelihood": state.contrast,
        "information": state.information,
        "relative_fluence": state.fluence,
        "likely": state.rotation,
        "probability": state.probability,
    }


def variable(name: str, values: ArrayLike) -> xr.Variable:
    """Return values as a variable of a reconstruction, as the schema has it."""
    v = RECONSTRUCTION[name]
    return xr.Variable(v.dims, np.asarray(values, v.dtype), v.attributes())


def state_of(found: xr.Dataset) -> tuple[State, NDArray[np.int64]]:
    """Return the state that iterations go on from, and the absolute indices of its shots.

    Parameters
    ----------
    found : Dataset, as of `dataset_of`
    """
    shots = np.flatnonzero(found["used"].values)
    looks = {of: found[name].values.tolist() for name, of in _LOOKS.items()}
    iterations = [looks["level"][:i].count(level) for i, level in enumerate(looks["level"])]
    history = tuple(
        Look(iteration=iteration, **{of: values[i] for of, values in looks.items()})
        for i, iteration in enumerate(iterations)
    )
    s = found["s"].values
    step = float(found.attrs.get("step", s[-1] - s[-2]))
    per_shot = {name: found[name].values[shots] for name in ("likely", "probability", "log_likelihood",
                "contrast_likelihood", "information", "relative_fluence")}  # fmt: skip
    state = State(
        models=Models(found["intensity"].values[None], np.ones(1), step),
        exposure=found["exposure"].values[None],
        level=int(found.attrs["level"]),
        iteration=int(found.attrs["iteration"]),
        refinement=int(found.attrs["refinement"]),
        rotation=per_shot["likely"],
        probability=per_shot["probability"],
        responsibility=np.ones((len(shots), 1)),
        log_likelihood=per_shot["log_likelihood"],
        contrast=per_shot["contrast_likelihood"],
        information=per_shot["information"],
        fluence=per_shot["relative_fluence"],
        history=history,
    )
    return state, shots


def _of_all(values: NDArray[Any], shots: NDArray[np.int64], n_shots: int) -> NDArray[Any]:
    """Values of all shots of a run, of which only some are known: NaN, -1 or false are the rest."""
    rest = {"f": np.nan, "i": -1, "b": False}[values.dtype.kind]
    out = np.full((n_shots, *values.shape[1:]), rest, values.dtype)
    out[shots] = values
    return out
