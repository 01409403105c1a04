"""An embedding of a run: its coordinates and verdicts, what it was made with, and the model that made it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from xfeldask.errors import InputError, command
from xfeldask.sorting.decision import Decision
from xfeldask.store.older import is_transposed
from xfeldask.store.results.background_rows import LESS_BACKGROUND
from xfeldask.store.results.known_background import other_background
from xfeldask.store.results.made import Made
from xfeldask.store.results.parameters import Parameters

if TYPE_CHECKING:
    from xfeldask.store.run import Run


OF_WHATEVER_KIND = "not asked for: a single hit is one particle, of whatever kind; xfeldask kinds asks which"
"""What is told of kinds where shots were sorted and nobody sought them."""


@dataclass(frozen=True, eq=False, repr=False)
class Embedding(Made):
    """An embedding in a store, ``/latent/<name>``.

    Attributes
    ----------
    run : Run
    name : str

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=40, progress=False)
    >>> _ = xfeldask.embed(path, sort=None, progress=False)
    >>> embedding = xfeldask.open_run(path).embeddings["ipca"]
    >>> embedding.dataset().latent.shape, embedding.is_current
    ((40, 3), True)
    """

    room, word, command = "latent", "embedding", "embed"

    @classmethod
    def with_verdicts(cls, run: Run, name: str | None = None) -> Self | None:
        """Return the embedding whose verdicts are meant: the one asked for, or the only one that was sorted.

        Parameters
        ----------
        run : Run
        name : str, optional

        Returns
        -------
        Embedding, whose shots may not have been sorted if it was asked for; None where no embedding was sorted

        Raises
        ------
        UnknownNameError
            The run has none of that name.
        InputError
            Several were sorted, and no name was given.
        """
        cls.refuse_unknown(run, name)
        if name is not None:
            return cls(run, name)
        have = [each for each in cls.all_of(run).values() if each.fits and each.is_sorted]
        if len(have) > 1:
            told = ", ".join(each.name for each in have)
            raise InputError(f"{run.path} has verdicts in {told}; say which with embedding= (--embedding)")
        return have[0] if have else None

    @staticmethod
    def none_sorted(run: Run) -> InputError:
        """Return the error of a run without verdicts, which says how to get them."""
        again = ("--overwrite",) if run.embeddings else ()
        how = command("xfeldask", "embed", run.path, *again)
        return InputError(f"no shot of {run.path} was sorted; embed it with a rule: {how}")

    @staticmethod
    def first_name(have: Mapping[str, Embedding]) -> str | None:
        """Return the name of the first that was sorted, or of the first where none was; None where none fits."""
        fitting = [name for name, each in have.items() if each.fits]
        return next((name for name in fitting if have[name].is_sorted), next(iter(fitting), None))

    def refuse_older(self) -> Self:
        """Return the embedding itself if its model knows images as they are read now.

        Raises
        ------
        InputError
            It was fitted to images whose rows go along x.
        """
        if is_transposed(self.attributes):
            raise InputError(
                f"the model of {self.name} was made by an older version, whose images lay on their side; embed "
                f"{self.run.path} again with overwrite=True"
            )
        return self

    @property
    def parameters(self) -> Parameters:
        """Everything that the embedding depends on.

        Raises
        ------
        CorruptStoreError
            They cannot be read.
        """
        return self._record(Parameters, "parameters")

    def model_digest(self) -> str:
        """Return what tells the model from any other: a digest of its parameters and of all that it learned.

        Raises
        ------
        CorruptStoreError
            The parameters cannot be read.
        """
        state = hashlib.sha256(self.parameters.to_json().encode())
        for part, group in sorted(self.parts().items()):
            for name, array in sorted(group.data_vars.items()):
                state.update(f"{part}/{name} {array.dtype} {array.shape}".encode())
                state.update(array.values.tobytes())
        return state.hexdigest()

    @property
    def decision(self) -> Decision:
        """What the rule decided and expects; nothing of it is given where shots were not sorted.

        Raises
        ------
        CorruptStoreError
            It cannot be read.
        """
        return self._record(Decision, "decision")

    @property
    def is_sorted(self) -> bool:
        """Whether it has verdicts."""
        return f"{self.group_path}/is_single" in self.run

    @property
    def tells_all(self) -> bool:
        """Whether the embedding tells of all shots that are in the store now, and of no others."""
        return self.fits and int(self.attributes["n_shots"]) == int(self.run.done().sum())

    @property
    def is_current(self) -> bool:
        """Whether the embedding tells of all shots that are in the store now, and was made with its background."""
        return self.tells_all and outdated(self.run, self.parameters) is None

    def facts(self) -> dict[str, str]:
        """Return what a person wants to know first, by name."""
        parameters, decision = self.parameters, self.decision
        out = {
            "shots": f"{int(self.attributes['n_shots']):,}{'' if self.tells_all else ', not those there now'}",
            "method": f"{parameters.method} of {parameters.features['name']}, "
            f"{self.dataset().sizes['component']} components",
            "sorted by": parameters.sort or "nobody",
        }
        if (device := self.attributes.get("device")) is not None:
            out["device"] = str(device)
        if (told := outdated(self.run, parameters, decision)) is not None:
            out["outdated"] = told
        if decision.threshold is not None:
            out["threshold"] = f"{decision.threshold:.2f}"
        if self.is_sorted and decision.kinds is None:
            out["kinds"] = OF_WHATEVER_KIND
        if decision.max_contamination is not None:
            out["not single, at most"] = (
                f"{100 * decision.max_contamination:g} % of the accepted, by the interval of the purity"
            )
        if decision.conflict is not None:
            out["costs"] = decision.conflict
        return out


def outdated(run: Run, parameters: Parameters, decision: Decision | None = None) -> str | None:
    """Tell that an embedding was made with another background than the run has, or with none; None where it was not.

    Parameters
    ----------
    run : Run
    parameters : Parameters, of the embedding
    decision : Decision, optional, of the embedding, where its kinds are meant too

    Examples
    --------
    >>> import numpy as np, tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-32", n_shots=40, progress=False)
    >>> made_before = Parameters(method="ipca", features={"name": "counts"}, sort="pairs")
    >>> outdated(xfeldask.open_run(path), made_before)
    >>> _ = xfeldask.find_background(path, np.ones((32, 32)), progress=False)
    >>> outdated(xfeldask.open_run(path), made_before)
    'made before the background of the run was known; embed again with overwrite=True (--overwrite)'
    """
    from xfeldask.sorting.rules import RULES  # brings scikit-learn, which who simulates has no use for

    sort, again = parameters.sort, "embed" if parameters.projected_from is None else "project"
    uses = (sort in RULES and getattr(RULES[str(sort)], "uses_background", False)) or parameters.background is not None
    if parameters.projected_from is not None:
        # the rule was taught over the background of another run
        uses = bool(parameters.features.get(LESS_BACKGROUND))
    if uses and (when := other_background(run, parameters.background)) is not None:
        return f"made {when}; {again} again with overwrite=True (--overwrite)"
    if decision is None or decision.kinds is None:
        return None
    when = other_background(run, decision.kinds_background)
    return None if when is None else f"its kinds were found {when}; find them again (xfeldask kinds)"
