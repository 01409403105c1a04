"""`sort`: decide anew on the shots of an embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xarray as xr

from xfeldask.errors import InputError
from xfeldask.sorting.kinds.names import Kind, Wanted
from xfeldask.sorting.protocol import Allowance, Rule
from xfeldask.sorting.rules import RULES, decided, goes_by
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.model import restored_rule
from xfeldask.store.results.parameters import Parameters
from xfeldask.store.results.particle_kinds import FOUND_COLUMNS, KIND_COLUMNS, KINDS
from xfeldask.store.store_given import Store, opened
from xfeldask.verbs.arguments.given_kinds import given_kinds
from xfeldask.verbs.arguments.options import tell_conflict, tell_dropped_kinds
from xfeldask.verbs.parts.building import variables
from xfeldask.verbs.parts.kinds_stored import StoredKinds


def sort(
    store: Store,
    name: str | None = None,
    *,
    max_singles_lost: float | None = None,
    contamination: float | None = None,
    max_contamination: float | None = None,
    wanted: Kind | Sequence[Kind] | None = None,
    name_kinds: Mapping[Kind, str | None] | None = None,
) -> xr.Dataset:
    """Decide anew on the shots of an embedding, with another allowance or other kinds; what was measured of them stays.

    Kinds that were found in it (`find_kinds`) stay, with their names, as long as the rule takes no shot for one
    particle that they were not sought among.

    Parameters
    ----------
    store : path of a store, or a Dataset of all of it as `open_dataset` gives
    name : str, optional, of the embedding; the only one by default
    max_singles_lost : float, fraction of the singles that may be rejected, above 0 and below 1; for a rule that goes by
        it, such as "pairs"; 0.01 by default
    contamination : float, fraction of the shots to reject, above 0 and at most 0.5; for a rule that goes by it, such as
        "elliptic_envelope"; 0.1 by default
    max_contamination : float, optional, fraction of the accepted shots that may be anything but a single hit; as of
        `embed`, and by default none is asked for
    wanted : int, str or several of them, optional: the kinds to accept, by number or name; or words, such as "0,
        capsid", "all", or "all but ice" to throw one out; by default those that were wanted before
    name_kinds : name by kind, such as ``{0: "capsid"}``; None takes a name back. With `wanted` or names alone every
        allowance stays as it was

    Returns
    -------
    xarray.Dataset, ``/latent/<name>``

    Raises
    ------
    InputError
        The embedding was not sorted, or by a rule that is not stored or that goes by another allowance; the allowance
        is out of range; there are several embeddings and no name is given; no kinds were found, there is no such kind,
        a name of a kind is none, or of two, or more shots would be accepted than kinds were found among.
    MissingFileError, UnknownNameError
        There is no embedding, or none of that name.

    Warns
    -----
    XfeldaskWarning
        Kinds were found in it among fewer shots and are dropped; a contamination costs more singles than may be lost.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=600,
    ...                       single_fraction=0.9, progress=False)
    >>> _ = xfeldask.embed(path, progress=False)
    >>> int(sort(path, max_singles_lost=0.05).is_single.sum()) > 400
    True
    """
    embedding = opened(store).refuse_incomplete().embedding(name)
    asked = {
        "max_singles_lost": max_singles_lost, "contamination": contamination, "max_contamination": max_contamination
    }  # fmt: skip
    given = {field: value for field, value in asked.items() if value is not None}
    chosen = given_kinds(wanted)
    with embedding.held():
        had_kinds = KINDS in embedding.part_names()
        made = _decided_with_kinds(embedding, given, chosen, name_kinds or {})
        embedding.publish(*(decided_anew(embedding, given) if made is None else made))
    if had_kinds and made is None:
        tell_dropped_kinds(embedding.name)
    return tell_conflict(embedding.dataset())


def _decided_with_kinds(
    embedding: Embedding, asked: Mapping[str, float], wanted: Wanted | None, name_kinds: Mapping[Kind, str | None]
) -> tuple[xr.Dataset, dict[str, xr.Dataset]] | None:
    """Return an embedding and its parts as its rule and its kinds decide; None where it is to have no kinds.

    Raises
    ------
    InputError
        It cannot have any, and something is asked of them.
    """
    kinds, of_kinds = StoredKinds.of(embedding), wanted is not None or bool(name_kinds)
    where = f"the embedding {embedding.name} of {embedding.run.path}"
    if kinds is None:
        if of_kinds:
            raise InputError(f"no kinds were found in {where}; find them first with xfeldask kinds")
        return None
    if of_kinds and not asked:
        tries, allowed = [own_allowance(embedding)], kinds.decision.max_contamination
    else:
        # a contamination is met by kinds alone where that is enough, so that all shots keep theirs
        allowed = asked.get("max_contamination")
        tries = [{field: value for field, value in asked.items() if field != "max_contamination"}, dict(asked)]
    for each in tries:
        before, parts = decided_anew(embedding, each)
        if kinds.cover(before) and (allowed is None or "probability_single" in before):
            return kinds.decided(before, parts, wanted, name_kinds, allowed)
    if of_kinds:
        raise InputError(
            f"in {where} more shots would be accepted than kinds were found among; sort by that allowance first, and "
            "find kinds anew with xfeldask kinds"
        )
    return None


def own_allowance(embedding: Embedding) -> dict[str, float]:
    """Return what the rule of an embedding was allowed, by name, as `decided_anew` takes it."""
    parameters = embedding.parameters
    fields = goes_by(RULES[str(parameters.sort)]) if parameters.sort in RULES else set()
    own = {field: getattr(parameters, field) for field in fields}
    return {field: value for field, value in own.items() if value is not None}


def decided_anew(embedding: Embedding, asked: Mapping[str, float]) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
    """Return an embedding and its parts as its rule alone decides, by what was measured of the shots.

    Parameters
    ----------
    embedding : Embedding
    asked : allowance by name; what is not given is that of `Allowance`

    Raises
    ------
    InputError
        As of `sort`.
    """
    name, found = embedding.name, embedding.stored().load()
    parameters, parts = embedding.parameters, embedding.parts()
    rule, allowance = _rule_of(embedding, parameters, parts, asked), Allowance(**asked)
    if missing := [v.name for v in rule.columns if v.name not in found]:
        raise InputError(
            f"the embedding {name} does not hold the evidence of {parameters.sort} ({', '.join(missing)}), as older "
            "versions did not store it; embed again with overwrite=True"
        )
    columns, told = decided(rule, {v.name: found[v.name].values for v in rule.columns}, allowance)
    parameters = parameters.allowing(**{field: getattr(allowance, field) for field in sorted(goes_by(rule))})
    # what kinds were found went by the shots that were accepted before
    parts.pop(KINDS, None)
    found = found.drop_vars((*KIND_COLUMNS, *FOUND_COLUMNS), errors="ignore")
    found = found.assign(variables(columns, rule)).assign_attrs(
        parameters=parameters.to_json(), decision=told.to_json()
    )
    return found, parts


def _rule_of(
    embedding: Embedding, parameters: Parameters, parts: Mapping[str, xr.Dataset], asked: Mapping[str, float]
) -> Rule:
    """Restore the rule that an embedding was sorted by, if it goes by what is asked for."""
    sort, name = parameters.sort, embedding.name
    if sort is None:
        known = " or ".join(map(repr, RULES))
        raise InputError(f"the embedding {name} of {embedding.run.path} was not sorted; embed with sort={known}")
    if sort not in RULES:
        raise InputError(f"the embedding {name} was sorted by {sort}, which is not stored; embed again")
    if other := asked.keys() - goes_by(RULES[sort]):
        takers = " or ".join(repr(known) for known in RULES if goes_by(RULES[known]) & other)
        raise InputError(
            f"the embedding {name} was sorted by {sort}, which goes by {RULES[sort].allowance or 'no allowance'}; for "
            f"{' and '.join(sorted(other))} embed with sort={takers}"
        )
    return restored_rule(parameters, parts)
