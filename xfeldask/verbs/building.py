"""The steps of an embedding: fit, decide, write."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.latent.methods import make_estimator
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.pairs.rule import PairRule
from xfeldask.store.embedding import Embedding
from xfeldask.store.model import Model, make_features
from xfeldask.store.parameters import Parameters
from xfeldask.store.run import Run
from xfeldask.verbs.options import Options
from xfeldask.verbs.sort import PAIRS, Columns, outliers, variables, verdict
from xfeldask.work.blocks import store_rows
from xfeldask.work.compute import one_thread_a_task, run_tasks
from xfeldask.work.fitting import Fit, fit, passes, teach_store
from xfeldask.work.progress import Silent, reporter
from xfeldask.work.projection import ADVICE
from xfeldask.work.tasks import single_task


def fit_model(path: Path, options: Options, shots: int) -> tuple[Model, Fit]:
    """Fit what is asked for to the first `shots` shots of a store."""
    made = make_features(Run.open(path), options.features)
    estimator = make_estimator(options.method, options.n_components, options.seed)
    rows = store_rows(path, made, shots, options.batch_size)
    with one_thread_a_task(), ThreadPoolExecutor(1) as beside:
        # a batch is fitted after the other, so a rule can be taught meanwhile
        taught = beside.submit(_taught, path, shots, options) if options.sort == PAIRS else None
        with reporter("fitting", shots * passes(estimator), "shots", options.progress) as told:
            fitted = fit(rows, estimator, options.stop, options.measures, told.advance)
        rule = None if taught is None else _awaited(taught, options)
    return Model(made, fitted.estimator, rule, tuple(fitted.looks) if options.history else ()), fitted


def _awaited(taught: Future[PairRule], options: Options) -> PairRule:
    with reporter("learning to sort", 1, "rule", options.progress) as told:
        rule = taught.result()
        told.advance(1)
    return rule


def _taught(path: Path, shots: int, options: Options) -> PairRule:
    task = single_task(teach_store, str(path), shots, options.seed, options.labels)
    found: PairRule = run_tasks([task], [1], Silent(), ADVICE)[0]
    return found


def publish(path: Path, options: Options, model: Model, fitted: Fit, columns: Columns) -> None:
    """Decide on shots, and write the embedding into their store."""
    parameters = options.parameters(model, len(fitted.fitted), fitted.converged_at)
    columns, told = decided(columns, options.sort, parameters)
    seen = np.zeros(len(columns["latent"]), bool)
    seen[fitted.fitted[fitted.fitted < len(seen)]] = True
    columns["fitted"] = seen
    found = dataset_of(columns, model, fitted.history, parameters, told)
    Embedding(Run.open(path), options.name).publish(found, model.parts())


def decided(columns: Columns, rule: str | object | None, parameters: Parameters) -> tuple[Columns, Decision]:
    """Columns with the verdict of a rule, and what is to be told about it."""
    if rule is None:
        return columns, Decision()
    if rule == PAIRS:
        found, told = verdict(columns, parameters.max_singles_lost, parameters.seed)
        return columns | found, told
    found = outliers(columns["latent"], rule, parameters.contamination, parameters.seed)
    return columns | found, Decision(contamination=parameters.contamination)


def dataset_of(
    columns: Columns,
    model: Model,
    history: Mapping[str, NDArray[np.generic]],
    parameters: Parameters,
    told: Decision,
) -> xr.Dataset:
    """An embedding as it is stored."""
    data = variables(columns) | variables(history) | model.pictures()
    n = len(columns["latent"])
    data["latent"].attrs["units"] = model.features.feature.units
    attributes = {
        "title": f"latent space of {n} shots by {parameters.method}",
        "n_shots": n,
        "parameters": parameters.to_json(),
        "decision": told.to_json(),
    }
    return xr.Dataset(data, coords={"shot": np.arange(n)}, attrs=attributes)
