"""Rules by name, rules of users, and what is made of what they say."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from tests.sorting.shots import Given
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.schema import LATENT, Variable
from xfeldask.sorting import rules
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.outliers import OutlierRule
from xfeldask.sorting.protocol import Allowance, Rule
from xfeldask.sorting.rules import (
    RULES,
    decided,
    make_rule,
    measured,
    measured_last,
    needs_coordinates,
    register_rule,
)

pytestmark = pytest.mark.rounding


class Bright(Rule):
    needs = ("photon_count",)
    columns = (Variable("brightness", ("shot",), "float64", "photons counted", "count"),)
    allowance = "contamination"

    def fit(self, shots):
        self.middle = float(np.median(shots.read("photon_count")))
        return self

    def evidence(self, shots):
        return {"brightness": shots["photon_count"] / self.middle}

    def decide(self, columns, allowance):
        most = np.quantile(columns["brightness"], 1 - allowance.contamination)
        score = most - columns["brightness"]
        return {"score": score, "is_single": score >= 0}, Decision(threshold=0.0)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that a test registers go when it ends."""
    monkeypatch.setattr(RULES, "_things", dict(RULES._things))


@pytest.mark.usefixtures("registered")
def test_make_rule__finds_by_name_takes_objects_and_copies_them() -> None:
    assert make_rule(None) is None
    for name in RULES:
        assert type(make_rule(name)) is RULES[name]
    assert make_rule("pairs", device="auto").networks.device == "auto"
    assert make_rule("elliptic_envelope", seed=5).seed == 5
    own = Bright()
    made = make_rule(own)
    assert type(made) is Bright
    assert made is not own
    assert type(make_rule(IsolationForest())) is OutlierRule
    register_rule("bright", Bright)
    assert type(make_rule("bright", seed=5)) is Bright
    with pytest.raises(UnknownNameError, match="did you mean bright"):
        make_rule("brigt")
    with pytest.raises(InputError, match="unknown rule 'modle'; did you mean models"):
        make_rule("modle")


@pytest.mark.usefixtures("registered")
def test_register_rule__takes_classes_and_free_names() -> None:
    with pytest.raises(InputError, match="there is a rule 'pairs' in xfeldask itself"):
        register_rule("pairs", Bright)
    with pytest.raises(InputError, match="species that are named; give the rule another name"):
        register_rule("models", Bright)
    with pytest.raises(InputError, match="registered as a class"):
        register_rule("bright", Bright())
    with pytest.raises(InputError, match="the name of a rule, a Rule, or an outlier estimator"):
        make_rule(Bright)


def test_rules__those_that_need_coordinates_come_last() -> None:
    assert needs_coordinates(make_rule("elliptic_envelope"))
    assert not any(map(needs_coordinates, (None, make_rule("pairs"), Bright())))


def test_measured_last__reads_what_is_needed_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    class Both(Bright):
        needs = ("latent", "photon_count")

        def evidence(self, shots):
            seen.append(len(shots["latent"]))
            return {"brightness": shots["latent"][:, 0] + shots["photon_count"]}

    monkeypatch.setattr(rules, "BLOCK", 4)
    seen: list[int] = []
    columns = {"latent": np.arange(20.0).reshape(10, 2)}
    shots = Given(columns | {"photon_count": np.arange(10)})
    found = measured_last(Both(), shots, columns)
    np.testing.assert_array_equal(found["brightness"], 3 * np.arange(10))
    assert seen == [4, 4, 2]
    envelope = make_rule("elliptic_envelope").fit(Given({"latent": np.random.default_rng(0).normal(size=(50, 2))}))
    assert len(measured_last(envelope, shots, columns)["envelope_distance"]) == 10


def test_decided__fills_in_the_verdict_and_keeps_what_is_told() -> None:
    rule = Bright().fit(Given({"photon_count": np.arange(100)}))
    columns = measured(rule, {"photon_count": np.arange(100)})
    found, told = decided(rule, columns | {"latent": np.zeros((100, 2))}, Allowance(contamination=0.25))
    assert list(found) == ["score", "is_single", "verdict"]
    np.testing.assert_array_equal(found["verdict"], np.where(np.arange(100) < 75, 1, 2))
    assert told.threshold == 0


@pytest.mark.parametrize(
    ("evidence", "told"),
    [
        ({}, "rule Bright must give brightness of 100 shots as evidence, gives"),
        ({"brightness": np.zeros(99)}, r"gives brightness \(99,\)"),
        ({"brightness": np.zeros(100), "more": np.zeros(100)}, "more"),
        ({"brightness": np.zeros((100, 2))}, r"\(100, 2\)"),
    ],
)
def test_measured__refuses_other_columns_than_those_that_were_told(evidence: dict, told: str) -> None:
    rule = Bright()
    rule.evidence = lambda _: evidence  # type: ignore[method-assign]
    with pytest.raises(InputError, match=told):
        measured(rule, {"photon_count": np.arange(100)})


@pytest.mark.parametrize("given", [None, SURE := {"score": np.zeros(3), "is_single": np.ones(3, bool)}, (SURE, {})])
def test_decided__asks_for_columns_and_a_decision(given: object) -> None:
    rule = Bright()
    rule.decide = lambda *_: given  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(InputError, match="the rule Bright must decide by a mapping of arrays and a Decision, gives "):
        decided(rule, {"brightness": np.zeros(3)}, Allowance())


def test_measured__asks_for_a_mapping() -> None:
    rule = Bright()
    rule.evidence = lambda _: None  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(InputError, match="the rule Bright must give its evidence as a mapping of arrays, gives None"):
        measured(rule, {"photon_count": np.arange(3)})


def test_rule__without_what_it_must_do_is_refused_by_name() -> None:
    class Idle(Rule):
        needs, columns = Bright.needs, Bright.columns

        def fit(self, shots):
            return self

    class Alone:
        needs = ("photon_count",)

        def fit(self, shots):
            return self

    with pytest.raises(InputError, match="the rule Alone lacks decide and evidence"):
        register_rule("alone", Alone)
    with pytest.raises(InputError, match="the rule Idle lacks decide and evidence"):
        register_rule("idle", Idle)


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        ({"score": np.zeros(3)}, "must decide by score and is_single"),
        ({"score": np.zeros(3), "is_single": np.ones(2, bool)}, r"is_single \(2,\)"),
        ({"score": np.zeros(3), "is_single": np.ones(3, bool), "mood": np.zeros(3)}, "mood"),
        ({"score": np.full(3, np.nan), "is_single": np.ones(3, bool)}, "scores that are not finite"),
        ({"score": ["a"] * 3, "is_single": np.ones(3, bool)}, "scores that are not finite"),
        (
            {"score": np.zeros(3), "is_single": np.ones(3)},
            "gives is_single as float64; it must be bool",
        ),
        (SURE | {"probability_single": [5, -3, np.nan]}, "probability_single that is neither from 0 to 1 nor NaN"),
        (SURE | {"verdict": [7, 8, 9]}, "verdicts other than 0 blank, 1 single and 2 multiple"),
    ],
)
def test_decided__refuses_what_is_no_verdict(verdict: dict, told: str) -> None:
    rule = Bright()
    rule.decide = lambda *_: (verdict, Decision())  # type: ignore[method-assign]
    with pytest.raises(InputError, match=told):
        decided(rule, {"brightness": np.zeros(3)}, Allowance())


@pytest.mark.parametrize(
    ("needs", "columns", "told"),
    [
        ((), Bright.columns, "what it needs"),
        (("photon_count",), (), "which columns"),
        (("photon_count",), (Variable("latent", ("shot",), "float64", "mine"),), "latent is taken"),
        (("photon_count",), (Variable("mine", ("shot", "component"), "float64", "mine"),), "along shot"),
        ("photon_count", Bright.columns, "what it needs"),
        (("photon_count",), ("brightness",), "each a Variable"),
    ],
)
def test_make_rule__refuses_a_rule_that_does_not_say_what_it_is(needs: tuple, columns: tuple, told: str) -> None:
    kind = type("Odd", (Bright,), {"needs": needs, "columns": columns})
    with pytest.raises(InputError, match=f"the rule Odd .*{told}"):
        make_rule(kind())


def test_make_rule__refuses_a_rule_that_says_nothing() -> None:
    class Silent(Rule):
        fit = evidence = decide = Bright.fit

    with pytest.raises(InputError, match="the rule Silent does not say what it needs"):
        make_rule(Silent())


def test_rules__name_the_variables_of_the_schema() -> None:
    for name in RULES:
        assert all(LATENT[variable.name] is variable for variable in RULES[name].columns)


@pytest.mark.parametrize("wrong", [0.0, -0.1, np.nan, 1.0])
def test_allowance__refuses_fractions_out_of_range(wrong: float) -> None:
    with pytest.raises(InputError, match="max_singles_lost must be above 0 and below 1"):
        Allowance(max_singles_lost=wrong)
    with pytest.raises(InputError, match=r"contamination must be above 0 and at most 0\.5"):
        Allowance(contamination=wrong)
