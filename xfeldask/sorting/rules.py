"""Rules by name, those of this package and those of users; what they measure and decide is checked."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError, UnknownNameError
from xfeldask.registry import Registry, call, takes
from xfeldask.schema import BLANK, LATENT, MULTIPLE, SINGLE, Variable
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.envelope import EnvelopeRule
from xfeldask.sorting.hits import HitRule
from xfeldask.sorting.named_pairs.named_rule import NAMED_PAIRS, NamedPairRule
from xfeldask.sorting.outliers import OutlierRule
from xfeldask.sorting.pairs.rule import PairRule
from xfeldask.sorting.protocol import COORDINATES, Allowance, Columns, Rule, Shots

_OURS: dict[str, type[Rule]] = {
    "pairs": PairRule, "elliptic_envelope": EnvelopeRule, "hits": HitRule, NAMED_PAIRS: NamedPairRule,
}  # fmt: skip
RULES: Registry[type[Rule]] = Registry("rule", _OURS)
"""Rules by name."""
WRITTEN = ("decide", "evidence", "fit")
"""What each rule does."""
DEFAULT = "pairs"
"""The rule that is meant where none is named."""
MODELS = "models"
"""What `embed` is told to sort by the default rule and then by species that are named; no rule by itself."""
BLOCK = 1024
"""Shots of which images are in memory at a time where a rule needs them besides coordinates."""
VERDICT = ("score", "probability_single", "is_single", "verdict")
"""Columns that a decision may give."""
CODES = (BLANK, SINGLE, MULTIPLE)
"""Verdicts on a shot."""


def register_rule(name: str, kind: type[Rule]) -> None:
    """Let a rule of your own be found by name, as ``sort=name`` of `embed`.

    Parameters
    ----------
    name : str
    kind : type, a `Rule`, most simply a subclass of it; made with those of `seed` and `device` that it
        takes, and restored with `device` if it takes that

    Raises
    ------
    InputError
        A name that is no identifier, or that of a rule of this package; no class, or one without `fit`, `evidence` or
        `decide`.

    Examples
    --------
    >>> from xfeldask.schema import Variable
    >>> class Bright(Rule):
    ...     needs = ("photon_count",)
    ...     columns = (Variable("brightness", ("shot",), "float64", "photons counted", "count"),)
    ...     def fit(self, shots):
    ...         return self
    ...     def evidence(self, shots):
    ...         return {"brightness": shots["photon_count"].astype(float)}
    ...     def decide(self, columns, allowance):
    ...         score = 1000 - columns["brightness"]
    ...         return {"score": score, "is_single": score > 0}, Decision(threshold=0.0)
    >>> register_rule("bright", Bright)
    >>> make_rule("bright").needs
    ('photon_count',)
    """
    if not isinstance(kind, type):
        raise InputError(f"a rule is registered as a class, got {kind!r:.60}")
    unwritten = getattr(kind, "__abstractmethods__", ())
    if lacking := [one for one in WRITTEN if one in unwritten or not callable(getattr(kind, one, None))]:
        raise InputError(f"the rule {kind.__name__} lacks {' and '.join(lacking)}; see `Rule` for what they do")
    if name == MODELS:
        raise InputError(f"sort={MODELS!r} of `embed` goes by species that are named; give the rule another name")
    RULES.register(name, kind)


def measures_on_devices(sort: str | object | None) -> bool:
    """Whether a rule can measure shots on a GPU.

    Examples
    --------
    >>> measures_on_devices("pairs"), measures_on_devices("elliptic_envelope"), measures_on_devices(None)
    (True, False, False)
    """
    return isinstance(sort, str) and sort in RULES and takes(RULES[sort], "device")


def make_rule(sort: str | object | None, seed: int = 0, device: str = "cpu") -> Rule | None:
    """Make a rule that has learned nothing yet.

    Parameters
    ----------
    sort : a name in `RULES`, a `Rule`, an outlier estimator of scikit-learn, or None for no rule; objects are copied
    seed : int, for a named rule that draws
    device : "auto", "cpu" or "cuda", for a named rule that measures on a GPU

    Raises
    ------
    InputError
        An unknown name, or an object that is none of these.

    Examples
    --------
    >>> make_rule("pairs").needs, make_rule("elliptic_envelope").needs
    (('low_q',), ('latent',))
    """
    if sort is None:
        return None
    if isinstance(sort, str):
        if sort not in RULES:  # `embed` takes one name more
            raise UnknownNameError("rule", sort, sorted({*RULES, MODELS} - {sort}))
        return _checked(call(RULES[sort], seed=seed, device=device))
    if isinstance(sort, Rule) and not isinstance(sort, type):
        return _checked(copy.deepcopy(sort))
    return OutlierRule(sort)


def _checked(rule: Rule) -> Rule:
    """Return a rule that says what it is."""
    needs, columns = getattr(rule, "needs", ()), getattr(rule, "columns", ())
    if isinstance(needs, str) or not needs:
        raise InputError(
            f"{_named(rule)} does not say what it needs: a tuple of names such as ('low_q',), or ('latent',)"
        )
    if not columns or any(not isinstance(one, Variable) or one.dims != ("shot",) for one in columns):
        raise InputError(f"{_named(rule)} does not say which columns along shot its evidence has, each a Variable")
    for variable in columns:
        if LATENT.get(variable.name, variable) is not variable:
            raise InputError(f"{_named(rule)} gives evidence by a name that cannot be: {variable.name} is taken")
    return rule


def needs_coordinates(rule: Rule | None) -> bool:
    """Whether a rule can measure shots only once they have coordinates.

    Examples
    --------
    >>> needs_coordinates(make_rule("pairs", 0)), needs_coordinates(make_rule("elliptic_envelope", 0))
    (False, True)
    """
    return rule is not None and COORDINATES in rule.needs


def goes_by(rule: Rule | type[Rule] | None) -> set[str]:
    """Return the fields of `Allowance` that a rule may go by.

    Examples
    --------
    >>> sorted(goes_by(PairRule)), sorted(goes_by(EnvelopeRule)), goes_by(None)
    (['max_contamination', 'max_singles_lost'], ['contamination'], set())
    """
    own = "" if rule is None else rule.allowance
    return {own, "max_contamination"} if own == "max_singles_lost" else {own} - {""}


def rule_that_goes_by(asked: Collection[str]) -> str:
    """Return the name of the first rule that goes by all fields of `Allowance` that were asked for.

    Raises
    ------
    InputError
        No rule does.

    Examples
    --------
    >>> rule_that_goes_by([]), rule_that_goes_by(["contamination"])
    ('pairs', 'elliptic_envelope')
    """
    for name in RULES:
        if goes_by(RULES[name]).issuperset(asked):
            return name
    raise InputError(f"no rule goes by {' and '.join(sorted(asked))} together; give one of them")


def refuse_target(rule: Rule | None, max_contamination: float | None) -> None:
    """Refuse a contamination that a rule cannot go by.

    Raises
    ------
    InputError
    """
    if max_contamination is not None and "max_contamination" not in goes_by(rule):
        takers = " or ".join(repr(name) for name in RULES if "max_contamination" in goes_by(RULES[name]))
        who = "shots that are not sorted have" if rule is None else f"{_named(rule)} gives"
        raise InputError(f"{who} no probabilities, which max_contamination goes by; embed with sort={takers}")


def measured(rule: Rule, shots: Mapping[str, NDArray[Any]]) -> Columns:
    """Return the evidence on some shots.

    Raises
    ------
    InputError
        A user's rule gives other columns than it says, or not one value for each shot.

    Examples
    --------
    >>> rule = EnvelopeRule.restore({"location_": np.zeros(2), "precision_": np.eye(2)})
    >>> measured(rule, {"latent": np.array([[3.0, 4.0], [0.0, 1.0]])})
    {'envelope_distance': array([25.,  1.])}
    """
    given = rule.evidence(shots)
    if not isinstance(given, Mapping):
        raise InputError(f"{_named(rule)} must give its evidence as a mapping of arrays, gives {given!r:.60}")
    found = {name: np.asarray(value) for name, value in given.items()}
    n, names = len(next(iter(shots.values()))), [variable.name for variable in rule.columns]
    if sorted(found) != sorted(names) or any(value.shape != (n,) for value in found.values()):
        told = ", ".join(f"{name} {value.shape}" for name, value in found.items())
        raise InputError(f"{_named(rule)} must give {', '.join(names)} of {n} shots as evidence, gives {told}")
    return {name: found[name] for name in names}


def measured_last(rule: Rule, shots: Shots, columns: Columns) -> Columns:
    """Return the evidence of a rule that needs coordinates, on all shots, all of which have them in `columns`.

    Examples
    --------
    >>> from xfeldask.store.choosing.learning_shots import EmbeddedShots
    >>> rule = EnvelopeRule.restore({"location_": np.zeros(2), "precision_": np.eye(2)})
    >>> columns = {"latent": np.array([[3.0, 4.0], [0.0, 1.0]])}
    >>> measured_last(rule, EmbeddedShots(None, columns), columns)["envelope_distance"].tolist()
    [25.0, 1.0]
    """
    if set(rule.needs) <= columns.keys():
        return measured(rule, {name: columns[name] for name in rule.needs})
    parts = []
    for start in range(0, len(shots), BLOCK):
        index = np.arange(start, min(start + BLOCK, len(shots)))
        parts.append(measured(rule, {name: shots.read(name, index) for name in rule.needs}))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def decided(rule: Rule, columns: Mapping[str, NDArray[Any]], allowance: Allowance) -> tuple[Columns, Decision]:
    """Return what a rule decides on all shots, and what it tells about that.

    Raises
    ------
    InputError
        A user's rule gives no score or no verdict on each shot, or values that cannot be; a rule that does not go by
        the contamination that is asked for.

    Examples
    --------
    >>> distance = np.array([1.0, 2.0, 3.0, 99.0])
    >>> columns, decision = decided(EnvelopeRule(), {"envelope_distance": distance}, Allowance(contamination=0.25))
    >>> columns["verdict"].tolist(), decision.contamination
    ([1, 1, 1, 2], 0.25)
    """
    refuse_target(rule, allowance.max_contamination)
    made: object = rule.decide({v.name: columns[v.name] for v in rule.columns}, allowance)
    match made:
        case (Mapping() as given, Decision() as told):
            found = {name: np.asarray(value) for name, value in given.items()}
        case _:
            raise InputError(f"{_named(rule)} must decide by a mapping of arrays and a Decision, gives {made!r:.60}")
    _refuse_decided(rule, found, len(columns[rule.columns[0].name]))
    if allowance.max_contamination is not None and told.max_contamination != allowance.max_contamination:
        raise InputError(f"{_named(rule)} does not go by max_contamination, as its decision does not tell it")
    if "verdict" not in found:
        found["verdict"] = np.where(found["is_single"], SINGLE, MULTIPLE).astype(np.uint8)
    return {name: found[name] for name in VERDICT if name in found}, told


def _refuse_decided(rule: Rule, found: Mapping[str, NDArray[Any]], n: int) -> None:
    """Refuse columns of a decision on `n` shots that are none, or hold what cannot be."""
    wrong = found.keys() - set(VERDICT) or {"score", "is_single"} - found.keys()
    if wrong or any(value.shape != (n,) for value in found.values()):
        raise InputError(
            f"{_named(rule)} must decide by score and is_single, and may give probability_single and verdict, of {n} "
            f"shots; gives {', '.join(f'{name} {value.shape}' for name, value in found.items())}"
        )
    if found["score"].dtype.kind not in "buif" or not np.isfinite(found["score"]).all():
        raise InputError(f"{_named(rule)} gives scores that are not finite")
    if found["is_single"].dtype != np.bool_:
        raise InputError(f"{_named(rule)} gives is_single as {found['is_single'].dtype}; it must be bool")
    likely = found.get("probability_single", np.zeros(0))
    if likely.dtype.kind not in "buif" or not (np.isnan(likely) | ((likely >= 0) & (likely <= 1))).all():
        raise InputError(f"{_named(rule)} gives a probability_single that is neither from 0 to 1 nor NaN")
    if not np.isin(found.get("verdict", BLANK), CODES).all():
        raise InputError(
            f"{_named(rule)} gives verdicts other than {BLANK} blank, {SINGLE} single and {MULTIPLE} multiple"
        )


def _named(rule: Rule) -> str:
    return f"the rule {type(rule).__name__}"
