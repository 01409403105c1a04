"""A store with all that tabs are made of: kinds of particles, and reconstructions."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import xarray as xr

from tests.explorer.few_shots import N, few_shots
from xfeldask.physics.orientations import super_fibonacci
from xfeldask.sorting.decision import Decision
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.particle_kinds import KINDS, kinds_dataset
from xfeldask.store.results.reconstructed import variable
from xfeldask.store.results.reconstruction import Reconstructing, Reconstruction
from xfeldask.store.run import Run
from xfeldask.verbs.parts.building import variables

SIZE = 9
S = (np.arange(SIZE) - SIZE // 2) * 1e7


def with_more(path: Path) -> Path:
    """Make a store of few shots with two kinds beside its embedding, and two reconstructions, one of them phased."""
    run = Run.open(shutil.copytree(few_shots().path, path))
    rng = np.random.default_rng(1)
    cube = rng.random((2, SIZE, SIZE, SIZE))
    embedding = Embedding(run, "pca")
    told = kinds_dataset(
        {"intensity": cube, "s": S, "mean_image": rng.random((2, *run.layout.image)), "shots": [20, 4],
         "mean_photons": [120.4, 80.0], "radius_of_gyration": [6.25e-9, np.nan]}, {},
    )  # fmt: skip
    # as if the rule had accepted all shots
    kind = np.repeat([0, 1], [20, 4]).astype(np.int8)
    probability = np.where(kind[:, None] == [0, 1], 0.9, 0.1).astype(np.float32)
    columns = {"kind": kind, "is_single": kind == 0, "misfit": np.zeros(N), "probability_kind": probability,
               "probability_wanted": probability[:, 0].astype(np.float64)}  # fmt: skip
    decision = Decision(kinds=(20, 4), wanted_kinds=(0,)).to_json()
    found = embedding.stored().load().assign(variables(columns, None)).assign_attrs(decision=decision)
    embedding.publish(found, embedding.parts() | {KINDS: told})
    for name, phased in (("bare", False), ("phased", True)):
        values = {"intensity": cube[0], "s": S, "mean_information": [1.0, 2.0, 3.5], "change": [1.0, 0.1, 0.0],
                  "level": [0, 0, 1]}  # fmt: skip
        if phased:
            values |= {"density": cube[1], "position": S * 1e-16, "phase_transfer": [1.0, 0.6],
                       "density_correlation": [0.9, 0.2], "half_intensity": np.stack([cube[0], cube[0]]),
                       "orientation": super_fibonacci(N), "used": np.arange(N) > 3}  # fmt: skip
        made = xr.Dataset({k: variable(k, v) for k, v in values.items()})
        parameters = Reconstructing(n_used=N, symmetry="D8").to_json()
        Reconstruction(run, name).publish(made.assign_attrs(n_shots=N, finished=True, parameters=parameters))
    return path
