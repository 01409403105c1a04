"""What `embed` is asked for, checked before anything is done."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from xfeldask.errors import InputError, StoreExistsError, UnknownNameError
from xfeldask.latent.methods import METHODS, make_estimator, own_parameters
from xfeldask.store.layout import layout_of
from xfeldask.store.model import Choice, Model
from xfeldask.store.parameters import Parameters
from xfeldask.verbs.sort import PAIRS, RULES
from xfeldask.work.progress import Tell


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `embed` was asked for, checked."""

    name: str
    method: str | object
    features: Choice
    n_components: int
    batch_size: int
    sort: str | object | None
    contamination: float
    max_singles_lost: float
    labels: NDArray[np.int8] | None
    stop: bool
    measures: tuple[str, ...]
    history: bool
    seed: int
    overwrite: bool
    progress: bool | Tell

    @property
    def method_name(self) -> str:
        """Of the estimator."""
        return self.method if isinstance(self.method, str) else type(self.method).__name__

    @property
    def sort_name(self) -> str | None:
        """Of the rule; a user's own is told whole."""
        return self.sort if isinstance(self.sort, str | None) else repr(self.sort)

    def parameters(self, model: Model, fitted: int, converged_at: int | None) -> Parameters:
        """Everything that the embedding depends on, as it is stored."""
        return Parameters(
            method=self.method_name,
            method_parameters=own_parameters(model.estimator) if isinstance(self.method, str) else repr(self.method),
            features=model.features.options,
            n_components=self.n_components,
            batch_size=self.batch_size,
            order="ascending",
            sort=self.sort_name,
            contamination=self.contamination,
            max_singles_lost=self.max_singles_lost,
            labels=0 if self.labels is None else int((self.labels >= 0).sum()),
            seed=self.seed,
            n_fitted=fitted,
            converged_at=converged_at,
            version=version("xfeldask"),
        )


def refuse(path: Path, root: zarr.Group, options: Options) -> None:
    """Refuse what cannot be done, before anything is."""
    shots = layout_of(root).n_shots
    make_estimator(options.method, options.n_components)
    refuse_name(path, root, options.name, options.overwrite)
    if isinstance(options.method, str) and options.method in METHODS and shots <= options.n_components:
        raise InputError(f"{options.n_components} components need more shots than that, {path} has {shots}")
    if options.batch_size < 1:
        raise InputError(f"batch_size must be at least 1 shot, got {options.batch_size}")
    if isinstance(options.sort, str) and options.sort not in RULES:
        raise UnknownNameError("rule", options.sort, RULES)
    if not 0 < options.max_singles_lost < 1:
        raise InputError(f"max_singles_lost must be above 0 and below 1, got {options.max_singles_lost}")
    if not 0 < options.contamination <= 0.5:
        raise InputError(f"contamination must be above 0 and at most 0.5, got {options.contamination}")
    if options.labels is not None and (options.sort != PAIRS or options.labels.shape != (shots,)):
        raise InputError(f"labels are for sort='pairs' and hold a number for each of the {shots} shots")


def refuse_name(path: Path, root: zarr.Group, name: str, overwrite: bool) -> None:
    """Refuse a name that is no name, or taken."""
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise InputError(f"the embedding's name {name!r} may hold letters, digits, dash and underscore only")
    if f"latent/{name}" in root and not overwrite:
        raise StoreExistsError(f"{path} has an embedding {name}; pass overwrite=True (--overwrite) or another name")
