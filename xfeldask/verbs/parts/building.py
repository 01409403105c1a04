"""The steps of an embedding: fit, judge, decide, write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import RunError
from xfeldask.latent.methods import make_estimator
from xfeldask.schema import LATENT
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.protocol import Allowance, Columns, Rule, Shots
from xfeldask.sorting.rules import decided, make_rule, measured_last, needs_coordinates
from xfeldask.store.choosing.learning_shots import EmbeddedShots
from xfeldask.store.layout import FORMAT
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.model import Model, make_features
from xfeldask.store.run import Run
from xfeldask.verbs.arguments.options import Options
from xfeldask.work.compute import active_client, on_cluster, one_thread_a_task
from xfeldask.work.fitting import Fit, fit, passes
from xfeldask.work.progress import Tell, reporter
from xfeldask.work.projection import ADVICE
from xfeldask.work.sources import Source, StoreSource


def fit_model(source: Source, options: Options, shots: int) -> tuple[Model, Fit]:
    """Fit what is asked for to the first `shots` shots; a rule that needs coordinates is left to `judged`.

    Raises
    ------
    RunError
        The background of the shots, which is part of the model, was replaced meanwhile; Dask's scheduler or its
        workers died.
    """
    background = source.background
    made = make_features(source.instrument, options.features)
    estimator = make_estimator(options.method, options.n_components, options.seed)
    rule = make_rule(options.sort, options.seed, options.device)
    rows = source.rows(made, shots, options.batch_size)
    active_client()  # a cluster that waits for work starts, and tells of its dashboard, before progress is shown
    with on_cluster(ADVICE), one_thread_a_task(), ThreadPoolExecutor(1) as beside:
        learning: Future[Rule] | None = None
        if rule is not None and not needs_coordinates(rule):
            # a batch is fitted after the other, so a rule can learn meanwhile
            learning = beside.submit(source.learned, rule, source.shots(shots, options.labels))
        with reporter("fitting", shots * passes(estimator), "shots", options.progress) as told:
            fitted = fit(rows, estimator, options.stop, options.measures, told.advance)
        if learning is not None:
            rule = _awaited(learning, options.progress)
    looks = tuple(fitted.looks) if options.history else ()
    model = Model(made, fitted.estimator, rule, options.parameters(made, fitted), looks)
    if background is not None and _uses_background(model):
        model = replace(model, parameters=model.parameters.model_copy(update={"background": background}))
    _refuse_other_background(source, model)
    return model, fitted


def _uses_background(model: Model) -> bool:
    return bool(getattr(model.rule, "uses_background", False)) or model.features.under is not None


def _refuse_other_background(source: Source, model: Model) -> None:
    if _uses_background(model) and source.background != model.parameters.background:
        raise RunError(
            "the background of the shots was replaced while they were embedded; embed again with the new one"
        )


def _awaited(learning: Future[Rule], progress: bool | Tell) -> Rule:
    with reporter("learning to sort", 1, "rule", progress) as told:
        rule = learning.result()
        told.advance(1)
    return rule


def judged(model: Model, shots: Shots, columns: Columns, learn: bool = True) -> tuple[Model, Columns]:
    """Add the evidence of a rule that needs the coordinates of shots; it learns from them first if `learn`."""
    rule = model.rule
    if rule is None or not needs_coordinates(rule):
        return model, columns
    known = EmbeddedShots(shots, columns)
    rule = rule.fit(known) if learn else rule
    return replace(model, rule=rule), columns | measured_last(rule, known, columns)


def sorted_dataset(
    columns: Columns, model: Model, allowance: Allowance, history: Mapping[str, NDArray[np.generic]] | None = None,
    gpus: str = "",
) -> xr.Dataset:  # fmt: skip
    """Decide on shots, and return their embedding as it is stored; `gpus` are those that measured."""
    told = Decision()
    if model.rule is not None:
        verdict, told = decided(model.rule, columns, allowance)
        columns = columns | verdict
    data = variables(columns, model.rule) | variables(history or {}, None) | model.pictures()
    n = len(columns["latent"])
    data["latent"].attrs["units"] = model.features.feature.units
    attributes = {
        "title": f"latent space of {n} shots by {model.parameters.method}",
        "n_shots": n,
        "format": FORMAT,
        "parameters": model.parameters.to_json(),
        "decision": told.to_json(),
        **({"device": gpus} if gpus else {}),
    }
    return xr.Dataset(data, coords={"shot": np.arange(n)}, attrs=attributes)


def variables(columns: Mapping[str, NDArray[Any]], rule: Rule | None) -> dict[str, xr.Variable]:
    """Return columns as they are stored.

    Examples
    --------
    >>> found = variables({"latent": np.zeros((2, 3)), "is_single": np.array([1, 0])}, None)
    >>> found["latent"].dims, found["is_single"].dtype.name
    (('shot', 'component'), 'bool')
    """
    known = {v.name: v for v in (() if rule is None else rule.columns)} | LATENT
    return {
        name: xr.Variable(known[name].dims, value.astype(known[name].dtype), known[name].attributes())
        for name, value in columns.items()
    }


@dataclass(frozen=True, eq=False, repr=False)
class Draft(Embedding):
    """An embedding that is not in the store yet, whoever makes it being the only one who does.

    Attributes
    ----------
    found : Dataset, what is to be published
    made : Dataset by name, the groups in it
    """

    found: xr.Dataset = field(default_factory=xr.Dataset)
    made: Mapping[str, xr.Dataset] = field(default_factory=dict)

    def stored(self) -> xr.Dataset:
        """Return what is to be published."""
        return self.found.copy()

    def parts(self) -> dict[str, xr.Dataset]:
        """Return the groups in it."""
        return dict(self.made)

    @cached_property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the group."""
        return dict(self.found.attrs)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Do nothing: it is held already."""
        yield


def draft(run: Run, name: str, options: Options, model: Model, fitted: Fit, columns: Columns) -> Draft:
    """Judge and decide on shots, and return the embedding that `publish` would write."""
    n, source = len(columns["latent"]), StoreSource(run)
    model, columns = judged(model, source.shots(n, options.labels), columns)
    if needs_coordinates(model.rule):
        _refuse_other_background(source, model)  # it has only just learned
    seen = np.zeros(n, bool)
    seen[fitted.fitted[fitted.fitted < n]] = True
    found = sorted_dataset(columns | {"fitted": seen}, model, options.allowance, fitted.history, options.gpus)
    return Draft(run, name, found, model.parts())


def publish(
    run: Run, name: str, options: Options, model: Model, fitted: Fit, columns: Columns, again: bool = False
) -> None:
    """Judge and decide on shots, and write the embedding into their store.

    It is told as outdated where the background was replaced since the model was fitted. What the model has learned is
    not written `again`, where it was published before with fewer shots.
    """
    made = draft(run, name, options, model, fitted, columns)
    linked = again and isinstance(run.path, Path) and not needs_coordinates(model.rule)
    stays = {*made.part_names()} if linked else set()
    made.publish(made.found, {part: None if part in stays else arrays for part, arrays in made.made.items()})
