"""`find_kinds`: what kinds of particles the single hits are of."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from xfeldask.config import Experiment
from xfeldask.errors import InputError, XfeldaskWarning
from xfeldask.orient.models import radius_of_gyration
from xfeldask.orient.sparse import pixels_of
from xfeldask.physics.species import Mixture
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.kinds.found import RADIUS, looks
from xfeldask.sorting.kinds.growth import LEAST_HITS, LEAST_SHOTS, MOST, doubtful
from xfeldask.sorting.kinds.labelled import LEAST_LABELLED, Held
from xfeldask.sorting.kinds.names import Kind
from xfeldask.sorting.kinds.next_shots import next_to_label
from xfeldask.sorting.labels import UNKNOWN, checked_labels
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.particle_kinds import KINDS, kinds_dataset
from xfeldask.store.run import Run
from xfeldask.store.storage.urls import StorePath
from xfeldask.store.store_given import Store, opened
from xfeldask.verbs.arguments.given import refuse_seed
from xfeldask.verbs.arguments.given_kinds import given_kinds
from xfeldask.verbs.arguments.given_labels import given_labels
from xfeldask.verbs.arguments.on_device import compared_by
from xfeldask.verbs.arguments.options import tell_conflict
from xfeldask.verbs.parts.kinds_decided import Known, decided_by_kinds
from xfeldask.verbs.parts.kinds_sought import Hits, Judged
from xfeldask.verbs.parts.kinds_stored import StoredKinds
from xfeldask.verbs.parts.named_species import beam_like
from xfeldask.verbs.parts.strangers_found import strangers_found
from xfeldask.verbs.sort import decided_anew, own_allowance
from xfeldask.work.compute import one_thread_a_task
from xfeldask.work.progress import Tell
from xfeldask.work.reconstructing import read_frames


def find_kinds(
    store: Store,
    name: str | None = None,
    *,
    like: str | StorePath | Experiment | None = None,
    labels: ArrayLike | str | os.PathLike[str] | None = None,
    wanted: Kind | Sequence[Kind] | None = None,
    max_contamination: float | None = None,
    most: int = MOST,
    strangers: str | StorePath | Experiment | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: bool | Tell = True,
) -> xr.Dataset:
    """Find the kinds of particles that single hits are of, and accept those of the wanted one.

    No kind need be known: intensities are worked out from the shots until nothing new is found. Where it is known what
    the beam may hold, `like` tells, and intensities are those of its species; a few shots that a person labelled help
    where kinds are hard to tell. Each single hit is judged by all of them; shots of another kind than the wanted one
    get the verdict "other" and are no longer accepted.

    Parameters
    ----------
    store : path of a store, or a Dataset of all of it as `open_dataset` gives
    name : str, of an embedding that was sorted; the only one by default
    like : Experiment, path of one as TOML, or of a simulated store, optional: species that the beam may hold
    labels : as of `embed`: 1 for a single hit of the wanted kind, 0 for anything else, -1 where not known; what they
        say of a shot holds
    wanted : int, str or several of them, the kinds to accept, by number or by their name in `like`; or words, such as
        "0, 2", "all", or "all but 1"; by default the most frequent, the one that most shots labelled 1 are of, or the
        one that `like` wants. `sort` takes others without finding kinds anew, and gives them names
    max_contamination : float, optional, fraction of the accepted shots that may be anything but a single hit of the
        wanted kind; shots are rejected, the least sure first, until the interval of the purity keeps to it; by default
        that which the embedding was sorted by, if any; for a rule that gives probabilities, such as "pairs"
    most : int, kinds that are sought where none are named; a further one is then not looked for, nor doubted
    strangers : as `like`: shots of each species but the wanted one (or of the only one) are put among the hits of the
        wanted kind, the largest where several are, 10 % and ever fewer, to tell from which fraction on they would be
        found; each takes as long as finding kinds
    seed : int, of the noise that intensities begin with
    device : as of `reconstruct`
    progress : as of `embed`

    Returns
    -------
    xarray.Dataset, ``/latent/<name>``, with `kind`, `probability_wanted` and `misfit` (shot,), `probability_kind`
    (shot, of_kind), and what was found of each shot as a particle of its kind: `found_orientation` (shot, quaternion),
    `found_fluence` (shot,), and `found_size` (shot,) where `like` names kinds; the intensity and the mean pattern of
    each kind are in ``/latent/<name>/kinds``

    Raises
    ------
    InputError
        Shots were not sorted, too few were accepted, too few are of the wanted kind to put strangers among them, there
        is no such kind, a fraction out of range or asked for where the rule gives no probabilities, `like` is a store
        that was not simulated, labels are of no single hit, labels or strangers come with `like`, or there is no such
        device.
    MissingFileError
        There is no such embedding.

    Warns
    -----
    XfeldaskWarning
        Most single hits that labels call another kind look as the wanted kind does; a contamination costs more singles
        than the rule may lose.

    Notes
    -----
    See `xfeldask.sorting.kinds.growth`. A kind that is rarer than `LEAST_SHOTS` of the shots looked at is not found.
    Names that a person gave (`sort`) stay with kinds that are found anew of the same shots. A species with random
    arrangements, angles or sizes has several intensities, see `xfeldask.sorting.kinds.named`; how far these are
    trusted, shots drawn of the species tell, whose sizes are spread as `like` says. What is in the beam and not in
    `like` is taken for the species that it resembles most.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-32", n_shots=300, progress=False)
    >>> _ = xfeldask.embed(path, sort="elliptic_envelope", progress=False)
    >>> found = find_kinds(path, most=1, progress=False)
    >>> int(found.kind.max())
    0
    """
    embedding = Embedding.chosen(opened(store).refuse_incomplete(), name)
    return kinds_of(
        embedding, like=like, labels=labels, wanted=wanted, max_contamination=max_contamination, most=most,
        strangers=strangers, seed=seed, device=device, progress=progress,
    )  # fmt: skip


def kinds_of(
    embedding: Embedding,
    *,
    like: str | StorePath | Experiment | None,
    labels: ArrayLike | str | os.PathLike[str] | None = None,
    wanted: Kind | Sequence[Kind] | None = None,
    max_contamination: float | None = None,
    most: int = MOST,
    strangers: str | StorePath | Experiment | None = None,
    seed: int,
    device: str,
    progress: bool | Tell,
) -> xr.Dataset:
    """Find kinds in an embedding, which need not be in its store before; as `find_kinds`."""
    refuse_seed(seed)
    given_kinds(wanted)
    run = embedding.run
    _refuse_unfit(max_contamination, like, labels, strangers)
    # refused, if they must be, before anything is read
    strange, beam = (None if each is None else beam_like(each) for each in (strangers, like))
    asked = given_kinds(wanted, beam)
    given = None if labels is None else checked_labels(given_labels(run, labels), run.n_shots)
    pixels, known = pixels_of(run.geometry, run.wavelength), run.known_background
    levels = looks(min(RADIUS, pixels.reach))
    by = compared_by(device, pixels, levels, None, progress, models=max(1, most) if like is None else 1)
    with embedding.held(), one_thread_a_task():
        old = StoredKinds.of(embedding)
        before, parts = _of_the_rule(embedding)
        allowed = embedding.parameters.max_contamination if max_contamination is None else max_contamination
        _refuse_target(embedding, before, allowed)
        shots = single_hits(embedding, before, LEAST_HITS if like is None else 1)
        mine = None if given is None else _of_single_hits(embedding, given, shots)
        hits = Hits(read_frames(run, shots, pixels, "image", known, progress), pixels, mine, seed, by, progress)
        judged = hits.judged(beam, asked, most)
        if judged.held is not None:
            _warn_of(judged.held)
        # where as many kinds were found as were sought, one more of any size would not have been
        rarest = None if beam is not None or len(judged.kinds) >= most else LEAST_SHOTS / len(hits.fitted)
        names = judged.kinds.names
        if beam is None and old is not None:
            names = old.names_now(shots, judged.columns["kind"], len(judged.kinds))
        told = Known(judged.wanted, names or None, rarest, None if judged.held is None else
                     judged.held.counts, doubtful(judged.kinds.growths) or None)  # fmt: skip
        found = decided_by_kinds(before, shots, judged.columns, told, allowed)
        more: dict[str, Any] = {} if known is None else {"kinds_background": known.digest}
        if beam is None:
            more["next_to_label"] = _next_to_label(hits, judged, before.shot.values[shots])
        if strange is not None:
            more |= _of_strangers(hits, judged, strange)
        described = _described(run, hits, judged).assign_attrs({"names": list(names)} if names else {})
        decision = Decision.from_json(found.attrs["decision"]).model_copy(update=more | _looks(described))
        embedding.publish(found.assign_attrs(decision=decision.to_json()), parts | {KINDS: described})
    return tell_conflict(embedding.dataset())


def _refuse_unfit(max_contamination: float | None, like: object, labels: object, strangers: object) -> None:
    """Refuse what makes no sense, or not together."""
    if max_contamination is not None and not 0 < max_contamination < 1:
        raise InputError(f"max_contamination must be above 0 and below 1, got {max_contamination}")
    if like is not None and labels is not None:
        raise InputError("labels help to find kinds that have no names, and `like` names them; pass one of the two")
    if like is not None and strangers is not None:
        raise InputError("strangers tell what is not found blind, and `like` names all kinds; pass one of the two")


def _of_the_rule(embedding: Embedding) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
    """Return an embedding and its parts as the rule decided, whatever kinds were found since."""
    found = embedding.stored().load()
    if "kind" not in found:
        return found, embedding.parts()
    return decided_anew(embedding, own_allowance(embedding))


def single_hits(embedding: Embedding, found: xr.Dataset, least: int = LEAST_HITS) -> NDArray[np.int64]:
    """Return the shots that the rule took for one particle, of whatever kind.

    Raises
    ------
    InputError
        Shots were not sorted, or too few were accepted.
    """
    if "is_single" not in found:
        raise InputError(
            f"the embedding {embedding.name} of {embedding.run.path} was not sorted; embed with sort='pairs'"
        )
    shots = np.flatnonzero(found.is_single.values).astype(np.int64)
    if len(shots) < least:
        raise InputError(f"kinds are sought among at least {least} single hits; {embedding.run.path} has {len(shots)}")
    return shots


def _refuse_target(embedding: Embedding, found: xr.Dataset, max_contamination: float | None) -> None:
    """Refuse a contamination where nobody told how likely each shot is one particle."""
    if max_contamination is not None and "probability_single" not in found:
        raise InputError(
            f"the embedding {embedding.name} was sorted by {embedding.parameters.sort}, which gives no probability "
            "that a hit is one particle, and max_contamination goes by that; embed with sort='pairs' first"
        )


def _of_single_hits(embedding: Embedding, labels: NDArray[Any], shots: NDArray[np.int64]) -> NDArray[Any]:
    """Return the labels of single hits; others say nothing of kinds."""
    mine = labels[shots]
    if (mine == UNKNOWN).all():
        raise InputError(f"no single hit of the embedding {embedding.name} has a label; label some that it accepted")
    return mine


def _warn_of(held: Held) -> None:
    """Say where labels mean what intensities cannot tell apart."""
    _, others, alike = held.counts
    if 2 * alike <= others:
        return
    more = f"at least {LEAST_LABELLED}" if others < LEAST_LABELLED else "more"
    warnings.warn(
        f"{alike} of the {others} single hits labelled 0 look as the wanted kind does, and no kind of their own is "
        f"found; only the labelled are kept out: label {more} of them, or name the species by like=",
        XfeldaskWarning,
        stacklevel=3,
    )


def _next_to_label(hits: Hits, judged: Judged, number: NDArray[np.int64]) -> tuple[int, ...]:
    """Return the numbers of the shots whose labels would say most."""
    ask = next_to_label(judged.columns["probability_wanted"], judged.columns["misfit"], hits.labels)
    return tuple(number[ask].tolist())


def _of_strangers(hits: Hits, judged: Judged, strange: tuple[Experiment, Mixture]) -> dict[str, Any]:
    """Return from which fraction on strangers would be found, as a Decision has it."""
    kind = judged.columns["kind"][hits.fitted]
    # where several are wanted they would be told apart, and not the strangers
    largest = max(judged.wanted, key=lambda each: int((kind == each).sum()))
    of_kind = hits.fitted[kind == largest]
    sought = strangers_found(*strange, hits.frames[of_kind], hits.pixels, hits.seed, hits.by, hits.progress)
    return {
        "strangers_found": {name: each.least for name, each in sought.items()},
        "strangers_tried": {name: each.tried for name, each in sought.items()},
    }


def _looks(described: xr.Dataset) -> dict[str, tuple[float | None, ...]]:
    """Return how bright and how large kinds are, by their names in `Decision`; None of kinds without shots."""
    out = {}
    for field, column in (("kind_photons", "mean_photons"), ("kind_radius", "radius_of_gyration")):
        values = described[column].where(described.shots > 0).values.tolist()
        out[field] = tuple(value if np.isfinite(value) else None for value in values)
    return out


def _described(run: Run, hits: Hits, judged: Judged) -> xr.Dataset:
    """Return what a person looks at to name each kind."""
    kinds, index = judged.kinds, hits.pixels.index
    intensity, step = kinds.models.intensity[kinds.first], kinds.models.step
    of = [hits.frames[judged.columns["kind"] == k] for k in range(len(kinds))]
    images = np.full((len(kinds), *run.image_grid.shape), np.nan, np.float32)
    for image, some in zip(images, of, strict=True):
        image.reshape(-1)[index] = some.mean(len(index))
    values = {
        "intensity": intensity,
        "s": (np.arange(intensity.shape[-1]) - intensity.shape[-1] // 2) * step,
        "mean_image": images,
        "shots": [len(some) for some in of],
        "mean_photons": [some.mean(len(index)).sum() for some in of],
        "radius_of_gyration": [radius_of_gyration(each, step) for each in intensity],
    }
    if kinds.names:
        return kinds_dataset(values, {})
    tried = [vars(growth) for growth in kinds.growths]
    return kinds_dataset(values, {"seed": hits.seed, "n_fitted": len(hits.fitted), "tried": tried})
