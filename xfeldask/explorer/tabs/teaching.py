"""The rule taught again from a person's labels, and what it would accept then."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import numpy as np
import panel as pn
from numpy.typing import NDArray

from xfeldask.errors import XfeldaskError
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.kinds_tab import with_kinds
from xfeldask.explorer.view.making import Making
from xfeldask.explorer.view.widgets import CHANCE, SMALL, caption, table
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.expected import expected
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.results.labels import lessons

Verdict = tuple[NDArray[np.bool_] | None, Decision, NDArray[Any] | None]
"""Which shots are accepted, None where nobody sorted them, what the rule expects of that, and probabilities."""
TAUGHT = "_taught"
"""What is added to the name of an embedding whose rule has learned from labels."""
HEAD = ("", "accepted", "expected purity", "expected singles rejected", "threshold", "labels agreed with")


class Teaching(Making):
    """The making of an embedding whose rule learns from the labels too, beside the one that is looked at.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session, "teach the rule")
        self.table = pn.pane.HTML("", styles=SMALL, margin=(0, 10))
        self._chance = caption(CHANCE, visible=False)
        self._kinds = caption(visible=False, styles=SMALL | {"font-weight": "bold"})
        self.view = pn.Column(
            pn.Row(self.make, self.told), self.bar, self._kinds, self.table, self._chance, sizing_mode="stretch_width"
        )
        self._name = self._taught = ""
        self._known: dict[str, tuple[Shots, Verdict]] = {}
        self.offer()

    def offer(self) -> None:
        """Offer it where it can be done, or say why not; show what rules expect and how they agree with the labels."""
        session = self._session
        if self.at_work:
            return
        try:
            why = refusal(session)
        except XfeldaskError as error:
            # the store may go while somebody looks at it
            why = html.escape(str(error))
        self.make.disabled = bool(why)
        # what has been made is told as long as it is looked at
        self.told.object = why or (self._taught if session.embedding == self._name else "")
        names = [name for name in of_one(session.embedding) if name in session.shots.embeddings]
        rows = [about(name, self._verdict(name), lessons(session.labels.values)) for name in names]
        self.table.object = table([HEAD, *rows], numbers=True) if rows else ""
        lost = html.escape(kinds_lost(session))
        self._kinds.param.update(object=lost, visible=bool(lost))
        self._chance.visible = any(" to " in row[2] for row in rows)

    def _verdict(self, name: str) -> Verdict:
        """Return what an embedding accepts, read once as long as the store is not read anew."""
        shots = self._session.shots
        if name not in self._known or self._known[name][0] is not shots:
            embedding = shots.run.embedding(name)
            found = embedding.dataset()
            accepted = found["is_single"].values if "is_single" in found else None
            probability = found["probability_single"].values if "probability_single" in found else None
            self._known[name] = shots, (accepted, embedding.decision, probability)
        return self._known[name][1]

    def _make(self, tell: Callable[..., None]) -> None:
        from xfeldask.verbs.embed import embed  # takes a second to import

        session = self._session
        assert session.embedding is not None
        plain, self._name = of_one(session.embedding)
        known = session.shots.run.embedding(
            plain if plain in session.shots.embeddings else session.embedding
        ).parameters
        embed(
            session.shots.path, name=self._name, method=known.method, features=known.features, overwrite=True,
            n_components=known.n_components, batch_size=known.batch_size, sort=known.sort, seed=known.seed,
            max_singles_lost=known.max_singles_lost, max_contamination=known.max_contamination,
            labels=lessons(session.labels.values), progress=tell,
        )  # fmt: skip

    def _made(self) -> None:
        self._taught = f"taught from {self._session.labels.n} labels; this is {self._name} now"
        self._session.reopen(self._name)
        self.thread = None
        self.offer()


def refusal(session: Session) -> str:
    """Say why the rule cannot be taught; nothing where it can."""
    from xfeldask.sorting.rules import RULES  # rules take a while to import

    if session.embedding is None:
        return "There is no embedding, so no rule to teach."
    sort = session.shots.run.embedding(session.embedding).parameters.sort
    if sort is None or sort not in RULES or not RULES[sort].uses_labels:
        return f"{session.embedding} was sorted by {sort or 'nobody'}, which learns from no labels; sort by pairs."
    if not session.may_write:
        return "Start with --allow-write to teach the rule here, or give the labels to embed(labels=)."
    known = set(np.unique(lessons(session.labels.values)).tolist())
    return "" if known >= {0, 1} else "Label at least one single and one other hit to teach the rule."


def kinds_lost(session: Session) -> str:
    """Say that teaching takes no kinds of particles along, as they are of what is accepted; nothing where none are.

    Nor does it find them anew, as a store does not tell by which species or labels they were found.
    """
    plain, taught = of_one(session.embedding)
    found = with_kinds(session)
    if taught in found:
        return f"To teach again drops the kinds that were found beside {taught}."
    if plain not in found:
        return ""
    return (
        f"The kinds found beside {plain} are not taken along: {taught} accepts single hits of any kind until those "
        f"beside it are found, with xfeldask kinds --name {taught}."
    )


def of_one(embedding: str | None) -> tuple[str, str]:
    """Return the names of an embedding before and after it was taught.

    Examples
    --------
    >>> of_one("pairs"), of_one("pairs_taught")
    (('pairs', 'pairs_taught'), ('pairs', 'pairs_taught'))
    """
    plain = (embedding or "").removesuffix(TAUGHT)
    return plain, plain + TAUGHT


def about(name: str, verdict: Verdict, known: NDArray[np.int8]) -> tuple[str, ...]:
    """Tell what an embedding accepts, what its rule expects of that, and how it agrees with the labels.

    Examples
    --------
    >>> verdict = np.array([True, True, False]), Decision(threshold=0.5, expected_purity=0.9), None
    >>> about("pairs", verdict, np.array([1, 0, -1]))
    ('pairs', '2 of 3', '90.00%', '', '0.50', '1 of 2')
    """
    accepted, decision, probability = verdict
    if accepted is None:
        return name, *[""] * 5
    known = known[: len(accepted)]
    judged = known >= 0
    agree = int((accepted[judged] == (known[judged] == 1)).sum())
    threshold = "" if decision.threshold is None else f"{decision.threshold:.2f}"
    if decision.threshold_interval is not None:
        low, high = decision.threshold_interval
        threshold += f" ({low:.2f} to {high:.2f})"
    costs = [_percent(decision.expected_purity), _percent(decision.expected_singles_lost)]
    if probability is not None:
        costs = [str(one) for one in expected(probability, accepted)]
    if not decision.purity_known:
        costs[0] = "unknown"
    # whether single or not, which is all that a rule learns
    counts = f"{int(accepted.sum()):,} of {len(accepted):,}", f"{agree} of {int(judged.sum())}"
    return name, counts[0], *costs, threshold, counts[1]


def _percent(fraction: Any) -> str:
    return "" if fraction is None else f"{fraction:.2%}"
