"""What `embed` and `fit` are asked for, checked before anything is done."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import WHOLE, InputError, XfeldaskWarning, refuse_unlike
from xfeldask.latent.methods import make_estimator, own_parameters
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.named_pairs.named_rule import NAMED_PAIRS, NamedPairRule
from xfeldask.sorting.protocol import COORDINATES, Allowance, Rule
from xfeldask.sorting.rules import RULES, make_rule, refuse_target
from xfeldask.store.results.model import Choice, Features
from xfeldask.store.results.parameters import Parameters
from xfeldask.verbs.arguments.given import refuse_seed
from xfeldask.work.fitting import Fit
from xfeldask.work.progress import Tell
from xfeldask.work.sources import Source


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `embed` or `fit` was asked for, and the names of the GPUs that measure."""

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
    device: str = "cpu"
    gpus: str = ""

    @property
    def method_name(self) -> str:
        """Name of the method; of a user's object, that of its class."""
        return self.method if isinstance(self.method, str) else type(self.method).__name__

    @property
    def sort_name(self) -> str | None:
        """Name of the rule; of a user's object, how it shows itself, which is no name."""
        if isinstance(self.sort, NamedPairRule):
            return NAMED_PAIRS
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
    refuse_unlike("a whole number", WHOLE, n_components=options.n_components, batch_size=options.batch_size)
    estimator = make_estimator(options.method, options.n_components)
    if isinstance(options.method, str) and hasattr(estimator, "n_components") and shots <= options.n_components:
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


def tell_dropped_kinds(name: str) -> None:
    """Warn that kinds of an embedding are not kept, as they went by which shots were accepted."""
    warnings.warn(
        f"the kinds that were found in the embedding {name} went by its verdict and are dropped; find them again "
        "with: xfeldask kinds",
        XfeldaskWarning,
        stacklevel=3,
    )


def tell_kinds_left_behind(name: str) -> None:
    """Warn that what is made from an embedding has none of its kinds, as they are of its own shots."""
    warnings.warn(
        f"the kinds that were found in the embedding {name} are of its own shots and are not taken along; find those "
        "of the new one with: xfeldask kinds",
        XfeldaskWarning,
        stacklevel=3,
    )
