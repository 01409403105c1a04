"""Shots compared with every kind: how well each explains them, and as what particle of that kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from xfeldask.orient.cycle import judged
from xfeldask.orient.parallel import By, in_turn
from xfeldask.orient.rotations import rotation_grid
from xfeldask.orient.schedule import Level
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.sorting.kinds.found import ROUND, Kinds, looks

Mean = Callable[[float], NDArray[np.float64]]
"""Gives the mean profile within a radius [bins]."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What shots look like under each kind.

    Attributes
    ----------
    log_likelihood : float64 (shot, kind) [nat], log of the mean likelihood over rotations and intensities, without
        ``log n!``
    orientation : float64 (shot, kind, 4), likeliest rotation under the likeliest intensity; NaN where that looks the
        same from everywhere
    size : float64 (shot, kind), relative to the particle's own, mean over the intensities; NaN where none has a size
    fluence : float64 (shot, kind), photons over those expected of the kind, mean over the intensities
    """

    log_likelihood: NDArray[np.float64]
    orientation: NDArray[np.float64]
    size: NDArray[np.float64]
    fluence: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return those of one block of shots after the other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))

    def as_kind(self, kind: NDArray[np.integer], together: bool) -> dict[str, NDArray[np.float64]]:
        """Return what is found of each shot as a particle of a kind, by the names of `LATENT`, sizes if there are any.

        Parameters
        ----------
        kind : int (shot,)
        together : bool, the intensities of all kinds have one scale, so that fluences are relative to the mean of all
            shots; else to that of the shots of a kind
        """
        shot, of = np.arange(len(kind)), np.zeros_like(kind) if together else kind
        fluence = self.fluence[shot, kind]
        mean = np.bincount(of, fluence) / np.maximum(np.bincount(of), 1)
        found = {
            "found_orientation": self.orientation[shot, kind],
            "found_fluence": fluence / np.where(mean, mean, 1)[of],
        }
        return found if np.isnan(self.size).all() else found | {"found_size": self.size[shot, kind]}


class _Look(NamedTuple):
    """Shots under one intensity: (shot,), (shot, 4), (shot,)."""

    log_likelihood: NDArray[np.float64]
    orientation: NDArray[np.float64]
    fluence: NDArray[np.float64]


def compare(
    frames: SparseFrames,
    pixels: Pixels,
    kinds: Kinds,
    *,
    by: By = in_turn,
    tell: Callable[[int], object] = lambda _: None,
    mean: Mean | None = None,
) -> Comparison:
    """Compare shots with every kind.

    Parameters
    ----------
    frames : SparseFrames, of single hits
    pixels : Pixels, that the photons are in
    kinds : Kinds
    by : callable or Device, as of `expand_maximise_compress`
    tell : callable, called with the number of shots after each intensity
    mean : as of `judged`

    Notes
    -----
    The likelihood is multinomial and knows no fluence, so that a bright and a dim shot of one particle are of one kind.
    It is that of `xfeldask.orient.cycle`.
    """

    def under_each(models: NDArray[np.int64]) -> Iterator[_Look]:
        for model in models:
            yield _under(frames, pixels, kinds, int(model), by, mean)
            tell(len(frames))

    each = []
    for kind in range(len(kinds)):
        models = np.flatnonzero(kinds.kind == kind)
        within = kinds.models.prior[models] / kinds.fractions[kind]
        sizes = np.full(len(models), np.nan) if kinds.size is None else kinds.size[models]
        each.append(_over_intensities(list(under_each(models)), within, sizes))
    return Comparison(*(np.stack(of_each, axis=1) for of_each in zip(*each, strict=True)))


def log_likelihoods(
    frames: SparseFrames,
    pixels: Pixels,
    kinds: Kinds,
    *,
    by: By = in_turn,
    tell: Callable[[int], object] = lambda _: None,
    mean: Mean | None = None,
) -> NDArray[np.float64]:
    """Tell how well every kind explains each shot, as `compare` does, float64 (shot, kind) [nat]."""
    return compare(frames, pixels, kinds, by=by, tell=tell, mean=mean).log_likelihood


def _under(frames: SparseFrames, pixels: Pixels, kinds: Kinds, model: int, by: By, mean: Mean | None) -> _Look:
    """Compare shots with one intensity."""
    alone = replace(kinds.models, intensity=kinds.models.intensity[model][None], prior=np.ones(1))
    levels: Sequence[Level] = looks(kinds.radius)
    is_round = kinds.round is not None and bool(kinds.round[model])
    if is_round:
        levels = (Level(ROUND, kinds.radius, 1, everywhere=True),)
    found = judged(frames, pixels, alone, levels, by=by, mean=mean)
    likeliest = rotation_grid(found.refinement).quaternion[np.maximum(found.rotation[:, 0], 0)]
    return _Look(found.log_likelihood, np.full_like(likeliest, np.nan) if is_round else likeliest, found.fluence)


def _over_intensities(
    found: Sequence[_Look], prior: NDArray[np.float64], size: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    """Return what the intensities of a kind, each with a prior and a size, tell of shots, as `Comparison` has it."""
    joint = np.stack([look.log_likelihood for look in found], axis=1) + np.log(prior)
    total = np.logaddexp.reduce(joint, axis=1)
    weight = np.exp(joint - total[:, None])
    orientation = np.stack([look.orientation for look in found], axis=1)
    fluence = np.stack([look.fluence for look in found], axis=1)
    likeliest = orientation[np.arange(len(total)), joint.argmax(axis=1)]
    return total, likeliest, weight @ size, (weight * fluence).sum(axis=1)
