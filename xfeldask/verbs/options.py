"""What `embed` and `fit` are asked for, checked before anything is done."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.metadata import version
from types import UnionType

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import InputError, StoreExistsError, XfeldaskWarning
from xfeldask.latent.methods import make_estimator, own_parameters
from xfeldask.schema import named
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.protocol import COORDINATES, Allowance, Rule
from xfeldask.sorting.rules import RULES, make_rule, refuse_target
from xfeldask.store.model import Choice, Features
from xfeldask.store.parameters import Parameters
from xfeldask.store.run import Run
from xfeldask.store.urls import StorePath
from xfeldask.work.fitting import Fit
from xfeldask.work.progress import Tell
from xfeldask.work.sources import Source

WHOLE, NUMBER = int | np.integer, int | float | np.integer | np.floating
"""Kinds of numbers, as of `refuse_unlike`."""
LONGEST_NAME = 100
"""Characters of the name of an embedding."""
Store = str | StorePath | xr.Dataset
"""A store: its path or URL, or the Dataset that `open_dataset` or `simulate` gave of all of it."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `embed` or `fit` was asked for."""

    method: str | object
    features: Choice
    n_components: int
    batch_size: int
    sort: str | object | None
    allowance: Allowance
    labels: NDArray[np.int8] | None
    stop: bool
    measures: tuple[str, ...]
    history: bool
    seed: int
    progress: bool | Tell

    @property
    def method_name(self) -> str:
        """Name of the method; of a user's object, that of its class."""
        return self.method if isinstance(self.method, str) else type(self.method).__name__

    @property
    def sort_name(self) -> str | None:
        """Name of the rule; of a user's object, how it shows itself, which is no name."""
        if isinstance(self.sort, Rule):
            return f"{type(self.sort).__name__}()"
        return self.sort if isinstance(self.sort, str | None) else repr(self.sort)

    def parameters(self, made: Features, fitted: Fit) -> Parameters:
        """Return everything that the embedding depends on, as it is stored."""
        named = isinstance(self.method, str)
        return Parameters(
            method=self.method_name,
            method_parameters=own_parameters(fitted.estimator) if named else repr(self.method),
            features=made.options,
            n_components=self.n_components,
            batch_size=self.batch_size,
            order="ascending",
            sort=self.sort_name,
            contamination=self.allowance.contamination,
            max_singles_lost=self.allowance.max_singles_lost,
            labels=0 if self.labels is None else int((self.labels >= 0).sum()),
            seed=self.seed,
            n_fitted=len(fitted.fitted),
            converged_at=fitted.converged_at,
            version=version("xfeldask"),
            image_step=made.step,
        ).allowing(max_contamination=self.allowance.max_contamination)


def refuse(source: Source, shots: int, options: Options) -> None:
    """Refuse what cannot be done, before anything is."""
    refuse_seed(options.seed)
    make_estimator(options.method, options.n_components)
    if isinstance(options.method, str) and shots <= options.n_components:
        raise InputError(f"{options.n_components} components need more shots than that, there are {shots}")
    if options.batch_size < 1:
        raise InputError(f"batch_size must be at least 1 shot, got {options.batch_size}")
    rule = make_rule(options.sort, options.seed)
    refuse_target(rule, options.allowance.max_contamination)
    needs = () if rule is None else rule.needs
    if missing := [name for name in needs if name != COORDINATES and name not in source]:
        raise InputError(
            f"sort={options.sort_name!r} needs {' and '.join(missing)}, which the shots do not have; give it, or sort "
            "by a rule that does without, such as 'elliptic_envelope'"
        )
    if options.labels is not None:
        _refuse_labels(options.labels, shots, rule)


def _refuse_labels(labels: NDArray[np.int8], shots: int, rule: Rule | None) -> None:
    if rule is None or not rule.uses_labels or labels.shape != (shots,):
        takers = " or ".join(repr(name) for name in RULES if RULES[name].uses_labels)
        raise InputError(f"labels are for sort={takers} and hold a number for each of the {shots} shots")
    if labels.dtype.kind not in "biuf" or not np.isin(labels, (-1, 0, 1)).all():
        raise InputError("labels hold 1 (single), 0 (anything else) or -1 (not known) for every shot")


def tell_conflict(found: xr.Dataset) -> xr.Dataset:
    """Return an embedding; warn where the contamination that was asked for costs more singles than may be lost."""
    conflict = Decision.from_json(found.attrs["decision"]).conflict
    if conflict is not None:
        warnings.warn(conflict, XfeldaskWarning, stacklevel=3)
    return found


def refuse_name(run: Run, name: str, overwrite: bool) -> None:
    """Refuse a name that is no name, or taken."""
    refuse_unnameable(name, "embedding")
    if f"latent/{name}" in run and not overwrite:
        raise StoreExistsError(f"{run.path} has an embedding {name}; pass overwrite=True (--overwrite) or another name")


def refuse_unnameable(name: str, what: str) -> None:
    """Refuse a name of an embedding or a reconstruction that is no name.

    Raises
    ------
    InputError

    Examples
    --------
    >>> refuse_unnameable("run-42_a", "embedding")
    >>> refuse_unnameable("a/b", "embedding")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: the embedding's name 'a/b' may hold letters, digits, dash and underscore only...
    """
    plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    if not plain or len(name) > LONGEST_NAME:
        told = name if len(name) <= LONGEST_NAME else f"{name[:20]}..."
        raise InputError(
            f"the {what}'s name {told!r} may hold letters, digits, dash and underscore only, {LONGEST_NAME} at most"
        )


def refuse_seed(seed: int) -> None:
    """Refuse a seed below 0, which no generator takes.

    Raises
    ------
    InputError

    Examples
    --------
    >>> refuse_seed(-1)
    Traceback (most recent call last):
    xfeldask.errors.InputError: the seed is 0 or a positive whole number, got -1
    """
    if seed < 0:
        raise InputError(f"the seed is 0 or a positive whole number, got {seed}")


def refuse_unlike(what: str, kind: type | UnionType, **values: object) -> None:
    """Refuse arguments that are neither None nor of a kind.

    Parameters
    ----------
    what : str, what a person calls the kind
    kind : type
    values : arguments, by name

    Raises
    ------
    InputError

    Examples
    --------
    >>> refuse_unlike("a whole number", WHOLE, starts=8, rotations=None)
    >>> refuse_unlike("a whole number", WHOLE, starts=1.5)
    Traceback (most recent call last):
    xfeldask.errors.InputError: starts must be a whole number, got 1.5
    """
    for name, value in values.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
            raise InputError(f"{name} must be {what}, got {value!r}")


def opened(store: Store) -> Run:
    """Open the store that is meant.

    Raises
    ------
    MissingFileError, InputError, CorruptStoreError
        There is no store; a Dataset that is not the whole of one, in order and as it was opened.
    """
    if not isinstance(store, xr.Dataset):
        return Run.open(store)
    source = store.encoding.get("source")
    if source is None:
        raise InputError("this Dataset was not opened from a store; give the path of one, or use fit and transform")
    run = Run.open(str(source))
    whole = "image" in store and "shot" in store.coords and np.array_equal(store["shot"], np.arange(run.n_shots))
    if not whole:
        raise InputError(
            f"this Dataset is a part of the store {source}, or in another order; give the store's path, or use fit and "
            "transform on the part"
        )
    for name in (v.name for v in (*named("raw"), *named("total")) if v.name in store):
        if store[name].encoding.get("source") != source:
            raise InputError(
                f"{name} of this Dataset is another than that of the store {source}; give the store's path, or use fit "
                "and transform on the Dataset"
            )
    return run
