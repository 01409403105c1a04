"""`find_kinds`: what kinds of particles the single hits are of."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.config import Experiment
from xfeldask.devices import Device
from xfeldask.errors import InputError
from xfeldask.orient.models import profile, radius_of_gyration
from xfeldask.orient.sparse import Pixels, SparseFrames, pixels_of
from xfeldask.schema import MULTIPLE, NO_KIND, OF_KINDS, OTHER, SINGLE, of_names
from xfeldask.sorting.decision import Decision, intervals
from xfeldask.sorting.kinds.fits import misfits
from xfeldask.sorting.kinds.found import RADIUS, Kinds, log_likelihoods, looks, posterior
from xfeldask.sorting.kinds.growth import LEAST_HITS, LEAST_SHOTS, MOST, grow_kinds, most_made
from xfeldask.sorting.kinds.wanted import accepted_at
from xfeldask.sorting.rules import RULES, goes_by
from xfeldask.store.embedding import Embedding
from xfeldask.store.particle_kinds import KINDS, kinds_dataset
from xfeldask.store.run import Run
from xfeldask.store.urls import StorePath
from xfeldask.verbs.building import variables
from xfeldask.verbs.given import Store, opened, refuse_seed
from xfeldask.verbs.named_species import beam_like, kinds_like
from xfeldask.verbs.on_device import device_for
from xfeldask.verbs.sort import decided_anew
from xfeldask.work.compute import one_thread_a_task
from xfeldask.work.progress import Tell, reporter
from xfeldask.work.reconstructing import ByDask, read_frames

FITTED = 3000
"""Single hits, spread evenly over the run, among which kinds are sought; all others are judged by what was found."""
BLOCK = 8192
"""Most shots that are judged at a time."""


def find_kinds(
    store: Store,
    name: str | None = None,
    *,
    like: str | StorePath | Experiment | None = None,
    wanted: int | str | None = None,
    max_contamination: float | None = None,
    most: int = MOST,
    seed: int = 0,
    device: str = "auto",
    progress: bool | Tell = True,
) -> xr.Dataset:
    """Find the kinds of particles that single hits are of, and accept those of the wanted one.

    No kind need be known: intensities are worked out from the shots until nothing new is found. Where it is known what
    the beam may hold, `like` tells, and intensities are those of its species. Each single hit is judged by all of them;
    shots of another kind than the wanted one get the verdict "other" and are no longer accepted.

    Parameters
    ----------
    store : path of a store, or a Dataset of all of it as `open_dataset` gives
    name : str, of an embedding that was sorted; the only one by default
    like : Experiment, path of one as TOML, or of a simulated store, optional: species that the beam may hold
    wanted : int or str, the kind to accept; by default the most frequent, or the one that `like` wants; names are those
        of `like`
    max_contamination : float, optional, fraction of the accepted shots that may be anything but a single hit of the
        wanted kind; shots are rejected, the least sure first, until the interval of the purity keeps to it; by default
        that which the embedding was sorted by, if any
    most : int, kinds that are sought where none are named
    seed : int, of the noise that intensities begin with
    device : as of `reconstruct`
    progress : as of `embed`

    Returns
    -------
    xarray.Dataset, ``/latent/<name>``, with `kind`, `probability_wanted` and `misfit` (shot,); the intensity and the
    mean pattern of each kind are in ``/latent/<name>/kinds``

    Raises
    ------
    InputError
        Shots were not sorted, too few were accepted, there is no such kind, a fraction out of range,
        `like` is a store that was not simulated, or there is no such device.
    MissingFileError
        There is no such embedding.

    Notes
    -----
    See `xfeldask.sorting.kinds.growth`. A kind that is rarer than `LEAST_SHOTS` of the shots looked at is not found. A
    species with random arrangements, angles or sizes has several intensities, see `xfeldask.sorting.kinds.named`; what
    is in the beam and not in `like` is taken for the species that it resembles most.

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
    refuse_seed(seed)
    run = opened(store).refuse_incomplete()
    embedding = Embedding.chosen(run, name)
    if max_contamination is not None and not 0 < max_contamination < 1:
        raise InputError(f"max_contamination must be above 0 and below 1, got {max_contamination}")
    beam = None if like is None else beam_like(like)  # refused, if it must be, before anything is read
    pixels = pixels_of(run.geometry, run.wavelength)
    levels = looks(min(RADIUS, pixels.reach))
    chosen = device_for(device, pixels, levels, None, progress, models=max(1, most) if like is None else 1)
    with embedding.held(), one_thread_a_task():
        before, parts = _of_the_rule(embedding)
        shots = single_hits(embedding, before, LEAST_HITS if like is None else 1)
        known = run.known_background
        frames = read_frames(run, shots, pixels, "image", known, progress)
        if beam is None:
            kinds, by_default = _found(frames, pixels, most, seed, chosen, progress), 0
        else:
            kinds, by_default = kinds_like(*beam, frames, pixels), beam[0].wanted_index
        target = _chosen(kinds, by_default if wanted is None else wanted)
        columns = _judged(frames, pixels, kinds, target, chosen, progress)
        allowed = embedding.parameters.max_contamination if max_contamination is None else max_contamination
        # where as many kinds were found as were sought, one more of any size would not have been
        rarest = None if kinds.names or len(kinds) >= most else LEAST_SHOTS / min(FITTED, len(shots))
        found = _decided(before, shots, columns, kinds, target, allowed, rarest)
        if known is not None:
            decision = Decision.from_json(found.attrs["decision"]).model_copy(update={"kinds_background": known.digest})
            found = found.assign_attrs(decision=decision.to_json())
        told = _described(run, pixels, frames, kinds, columns["kind"], seed)
        embedding.publish(found, parts | {KINDS: told})
    return embedding.dataset()


def _of_the_rule(embedding: Embedding) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
    """Return an embedding and its parts as the rule decided, whatever kinds were found since."""
    found = embedding.stored().load()
    if "kind" not in found:
        return found, embedding.parts()
    parameters = embedding.parameters
    own = goes_by(RULES[str(parameters.sort)]) if parameters.sort in RULES else set()
    asked = {field: getattr(parameters, field) for field in own}
    return decided_anew(embedding, {field: value for field, value in asked.items() if value is not None})


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


def _chosen(kinds: Kinds, wanted: int | str) -> int:
    """Return the index of the wanted kind."""
    if isinstance(wanted, str) and wanted in kinds.names:
        return kinds.names.index(wanted)
    if isinstance(wanted, str) and not wanted.isdecimal():
        told = f"kinds are named {', '.join(kinds.names)}" if kinds.names else "kinds that are found have numbers only"
        raise InputError(f"there is no kind {wanted}: {told}")
    if not 0 <= int(wanted) < len(kinds):
        raise InputError(f"there is no kind {wanted}: {len(kinds)} found, counted from 0")
    return int(wanted)


def _found(
    frames: SparseFrames, pixels: Pixels, most: int, seed: int, device: Device | None, progress: bool | Tell
) -> Kinds:
    some = np.unique(np.linspace(0, len(frames) - 1, min(FITTED, len(frames))).astype(np.int64))
    with reporter("finding kinds", most_made(most), "intensities", progress) as telling:
        return grow_kinds(frames[some], pixels, most=most, seed=seed, each=ByDask(), device=device,
                          tell=lambda: telling.advance(1))  # fmt: skip


def _judged(
    frames: SparseFrames, pixels: Pixels, kinds: Kinds, wanted: int, device: Device | None, progress: bool | Tell
) -> dict[str, NDArray[Any]]:
    """Judge single hits by the intensities of all kinds."""
    # of all shots, so that what is found of one does not depend on those that it is judged with
    mean = cache(partial(profile, frames, pixels))

    def judge() -> Iterator[NDArray[np.float64]]:
        for first in range(0, len(frames), BLOCK):
            block = frames[np.arange(first, min(len(frames), first + BLOCK))]
            yield log_likelihoods(block, pixels, kinds, each=ByDask(), device=device, tell=telling.advance, mean=mean)

    with reporter("judging", len(frames) * len(kinds.kind), "comparisons", progress) as telling:
        likelihood = np.concatenate(list(judge()))
    probability, fractions = posterior(likelihood, kinds.fractions)
    photons = frames.photons(pixels.within(kinds.radius))
    return {
        "kind": probability.argmax(axis=1).astype(np.int8),
        "probability_wanted": probability[:, wanted],
        "misfit": misfits(np.logaddexp.reduce(likelihood + np.log(fractions), axis=1), photons),
    }


def _decided(
    before: xr.Dataset, shots: NDArray[np.int64], columns: dict[str, NDArray[Any]], kinds: Kinds, wanted: int,
    max_contamination: float | None, rarest: float | None,
) -> xr.Dataset:  # fmt: skip
    """Return the embedding with kinds, verdicts by them, and what is expected of those accepted."""
    n = before.sizes["shot"]
    rest = {"kind": NO_KIND, "probability_wanted": np.nan, "misfit": np.nan}
    out = {name: np.full(n, value, columns[name].dtype) for name, value in rest.items()}
    for name, values in columns.items():
        out[name][shots] = values
    single = before.probability_single.values[shots] if "probability_single" in before else np.ones(len(shots))
    both = single * columns["probability_wanted"]
    chosen = accepted_at(both, columns["kind"] == wanted, max_contamination)
    verdict = before.verdict.values.copy() if "verdict" in before else np.full(n, MULTIPLE, np.uint8)
    verdict[shots] = np.where(chosen, SINGLE, np.where(columns["kind"] == wanted, MULTIPLE, OTHER))
    accepted = np.zeros(n, bool)
    accepted[shots] = chosen
    changed: dict[str, NDArray[Any]] = {**out, "verdict": verdict, "is_single": accepted}
    if "probability_single" in before:
        changed["probability_single"] = before.probability_single.values.copy()
        changed["probability_single"][shots] = both
    decision = Decision.from_json(before.attrs["decision"])
    sizes = tuple(np.bincount(columns["kind"], minlength=len(kinds)).tolist())
    told: dict[str, Any] = {
        "kinds": sizes, "kind_names": kinds.names or None, "wanted_kind": wanted, "rarest_kind": rarest
    }  # fmt: skip
    known = decision.purity_by_peaks is None
    if known and (decision.expected_purity is not None or max_contamination is not None):
        told["expected_others_kept"] = float((1 - both)[chosen].sum())
        told["expected_purity"] = float(both[chosen].mean()) if chosen.any() else None
        told["expected_purity_interval"] = intervals(both, chosen).get("expected_purity_interval")
    if max_contamination is not None:
        told |= {"max_contamination": max_contamination, **_loss(decision, both, chosen)}
    if not known:
        told["expected_purity_interval"] = None
    decision = decision.model_copy(update=told)
    stored = variables(changed, None) | {"verdict": xr.Variable(("shot",), verdict, OF_KINDS.attributes())}
    if kinds.names:
        stored["kind"] = xr.Variable(("shot",), out["kind"], of_names(kinds.names).attributes())
    return before.assign(stored).assign_attrs(decision=decision.to_json())


def _loss(decision: Decision, both: NDArray[np.float64], chosen: NDArray[np.bool_]) -> dict[str, Any]:
    """Return intervals, and the singles lost by the rule and then by kinds; of the wanted the rule loses as many."""
    told: dict[str, Any] = {**intervals(both, chosen), "purity_otherwise": None}
    before = decision.expected_singles_lost
    if before is None or "expected_singles_lost_interval" not in told:
        return told
    low, high = told["expected_singles_lost_interval"]
    here = float(both[~chosen].sum() / max(both.sum(), 1e-300))
    lost, low, high = (1 - (1 - before) * (1 - part) for part in (here, low, high))
    told |= {"expected_singles_lost": lost, "expected_singles_lost_interval": (low, high)}
    return told


def _described(
    run: Run, pixels: Pixels, frames: SparseFrames, kinds: Kinds, kind: NDArray[np.int8], seed: int
) -> xr.Dataset:
    """Return what a person looks at to name each kind."""
    intensity, step = kinds.models.intensity[kinds.first], kinds.models.step
    of = [frames[kind == k] for k in range(len(kinds))]
    images = np.full((len(kinds), *run.image_grid.shape), np.nan, np.float32)
    for image, some in zip(images, of, strict=True):
        image.reshape(-1)[pixels.index] = some.mean(len(pixels.index))
    values = {
        "intensity": intensity,
        "s": (np.arange(intensity.shape[-1]) - intensity.shape[-1] // 2) * step,
        "mean_image": images,
        "shots": [len(some) for some in of],
        "mean_photons": [some.mean(len(pixels.index)).sum() for some in of],
        "radius_of_gyration": [radius_of_gyration(each, step) for each in intensity],
    }
    if kinds.names:
        return kinds_dataset(values, {"names": list(kinds.names)})
    tried = [vars(growth) for growth in kinds.growths]
    return kinds_dataset(values, {"seed": seed, "n_fitted": min(FITTED, len(frames)), "tried": tried})
