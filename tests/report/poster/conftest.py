from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from xfeldask.report.poster import curves

SINGLES, MULTIPLES = 240, 60


@pytest.fixture(scope="module")
def single() -> np.ndarray:
    return np.random.default_rng(0).permutation(np.repeat([True, False], [SINGLES, MULTIPLES]))


@pytest.fixture(scope="module")
def latents(single: np.ndarray) -> dict[str, xr.Dataset]:
    rng = np.random.default_rng(1)

    def made(components: int, updates: int, **more: object) -> xr.Dataset:
        values = rng.normal(size=(len(single), components)).astype(np.float32)
        values[~single, 0] += 6
        score = np.where(single, 4.0, -4.0) + rng.normal(0, 3, len(single))
        data = {
            "latent": (("shot", "component"), values, {"units": "count"}),
            "explained_variance": ("component", np.linspace(9, 1, components)),
            "score": ("shot", score),
            "is_single": ("shot", score > 0),
            "probability_single": ("shot", 1 / (1 + np.exp(-score))),
            "n_fitted": ("update", 2000 * 2 ** np.arange(updates)),
            "angle": ("update", np.deg2rad([90.0, 8.0, 3.0, 0.9][:updates])),
            "eigenvalue_change": ("update", [1.0, 0.2, 0.05, 0.02][:updates]),
            "jensen_shannon": ("update", [1.0, 0.9, 0.7, 0.5][:updates]),
        }
        parameters = {"method": "ipca", "features": {"name": "counts"}, "sort": "pairs", "converged_at": None}
        decision = {"threshold": 0.0, "threshold_interval": [-1.0, 1.5], "contamination": 0.1}
        attrs = {"parameters": json.dumps(parameters | more), "decision": json.dumps(decision)}
        return xr.Dataset(data, attrs=attrs)

    return {"reference": made(3, 0), "ours": made(3, 4, converged_at=16000), "orientation": made(10, 3)}


@pytest.fixture(scope="module")
def rules(latents: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    return {rule: latents[rule] for rule in curves.RULES}
