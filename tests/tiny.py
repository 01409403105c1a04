"""A run of a few shots, whose photons a test gives; written in milliseconds, as nothing is simulated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.engines.preparation import detector_variables
from xfeldask.latent.methods import own_parameters
from xfeldask.latent.pca import PCA
from xfeldask.physics.binning import bin_factor, binned_shape, low_q_bin, low_q_shape
from xfeldask.physics.detectors import Geometry, square, wavelength
from xfeldask.physics.images import Recorder, photons_of_frames
from xfeldask.sorting.protocol import Allowance
from xfeldask.sorting.rules import make_rule
from xfeldask.store.choosing.learning_shots import StoredShots
from xfeldask.store.layout import FORMAT, Layout, create_template, write_column
from xfeldask.store.packing.codecs import EXACT
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.model import Model, make_features
from xfeldask.store.results.parameters import Parameters
from xfeldask.store.run import Run
from xfeldask.store.shards import Shard
from xfeldask.verbs.parts.building import judged, sorted_dataset

ENERGY = 4600.0
DETECTOR = square(8, 1e-3, 0.1)
SHARD = 4
PER_PARTICLE = ("orientation", "position", "species")


def frames(n: int = 6, geometry: Geometry = DETECTOR, seed: int = 1, mean: float = 1.0) -> NDArray[np.uint8]:
    """Photons of some shots (shot, panel, ss, fs); none in bad pixels."""
    drawn = np.random.default_rng(seed).poisson(mean, (n, *geometry.shape)) * geometry.mask
    return drawn.astype(np.uint8)


def tiny_run(
    path: Path,
    photons: NDArray[Any],
    geometry: Geometry = DETECTOR,
    *,
    truth: Mapping[str, NDArray[Any]] | None = None,
    columns: Mapping[str, NDArray[Any]] | None = None,
    done: int | None = None,
    **attributes: Any,
) -> Run:
    """Write a run and open it.

    Parameters
    ----------
    path : Path
    photons : uint8 or uint16 (shot, panel, ss, fs)
    geometry : Geometry
    truth : by name, of what the schema calls truth
    columns : by name, of what it does not know
    done : int, shots that have been written, whole shards; all of them by default
    attributes : of the root, besides those that every run has
    """
    n, truth = len(photons), truth or {}
    particles = max((np.shape(v)[1] for name, v in truth.items() if name in PER_PARTICLE), default=0)
    layout = Layout(
        n, geometry.shape, binned_shape(geometry, bin_factor(geometry)), low_q_shape(geometry), particles,
        str(photons.dtype), False, SHARD, tuple(truth),
    )  # fmt: skip
    told = {"photon_energy": ENERGY, "pixel_size": geometry.pixel_size, "bin": bin_factor(geometry),
            "low_q_bin": low_q_bin(geometry), "title": "a tiny run", "format": FORMAT, **attributes}  # fmt: skip
    create_template(path, layout, detector_variables(geometry, n, wavelength(ENERGY)), told)
    run, recorder = Run.open(path, "r+"), Recorder(geometry, photons.dtype)
    arrays = {v.name: run.array(v.name, EXACT) for v in layout.stored()}
    for name, value in truth.items():
        arrays[name][...] = value
    for name, value in (columns or {}).items():
        write_column(run.group, name, value, {})
    for index in range(layout.n_shards if done is None else done // SHARD):
        shard = Shard(arrays, path, layout, index)
        recorded = recorder.record(photons_of_frames(photons[shard.shots.start : shard.shots.stop]))
        shard.extend(recorded.raw(), recorded.totals())
        shard.commit()
    run.group.attrs["complete"] = done is None
    return Run.open(path)


def embed_tiny(run: Run, name: str = "pca", sort: str | None = "elliptic_envelope", **told: Any) -> Run:
    """Embed a run of 20 shots or more in this thread, as `embed` does by tasks; return it opened again."""
    made, images = make_features(run, "counts"), run.read("image")
    estimator = PCA(2).fit(made.rows(images))
    parameters = Parameters(
        method="pca", method_parameters=own_parameters(estimator), features=made.options, n_components=2, sort=sort,
        n_fitted=run.n_shots, image_step=made.step, **told,
    )  # fmt: skip
    model = Model(made, estimator, make_rule(sort), parameters)
    model, columns = judged(model, StoredShots(run, run.n_shots), model.columns({made.needs: images}))
    columns["fitted"] = np.ones(run.n_shots, bool)
    Embedding(run, name).publish(sorted_dataset(columns, model, Allowance()), model.parts())
    return run.reopened()
