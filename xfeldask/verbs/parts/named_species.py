"""Kinds of particles that the beam of a run may hold, as somebody tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from xfeldask.config import Experiment
from xfeldask.errors import InputError, MissingFileError
from xfeldask.formats.inputs import mixture_of
from xfeldask.machine import exists
from xfeldask.orient.shares import Background
from xfeldask.orient.sparse import Pixels, SparseFrames, pixels_of
from xfeldask.physics.species import Mixture, build_form
from xfeldask.physics.volume import Volume
from xfeldask.sorting.kinds.found import RADIUS, Kinds
from xfeldask.sorting.kinds.named import OUTER, background_rate, named_kinds
from xfeldask.sorting.kinds.named_drawn import CUT, DRAWN, Named, drawn_species
from xfeldask.sorting.named_pairs.named_rule import Beam as NamedBeam
from xfeldask.sorting.named_pairs.named_rule import NamedPairRule
from xfeldask.sorting.named_pairs.pair_places import Distances
from xfeldask.sorting.named_pairs.views import Views, photon_rms
from xfeldask.store.run import Run
from xfeldask.store.storage.urls import URL, StorePath, store_path

NEARLY_NONE = 1e-9
"""Weight of species that are not there, over that which they are given."""
FEW = 300
"""Shots of which fewer tell neither a mean pattern nor a background by which each could be judged."""
PAIR_RADIUS = 60.0
"""Bins of `low_q` around the beam in which one particle is told from two, at most."""
MARGIN = 3
"""Grid points beyond the radius as far as which form factors are computed."""


def named_like(experiment: Experiment, mixture: Mixture, pixels: Pixels) -> Named:
    """Return the species that an experiment names, with their form factors as far as patterns are compared.

    Parameters
    ----------
    experiment, mixture : what the beam may hold, as of `beam_like`
    pixels : Pixels, that photons are in
    """
    nuisance = experiment.nuisance
    spread = float(np.hypot(nuisance.size_spread, nuisance.energy_spread))
    s_max = (min(RADIUS, pixels.reach) * (1 + CUT * spread) + MARGIN) * pixels.step
    return Named(experiment.named_species(), mixture, [build_form(body, s_max) for body in mixture.bodies], spread)


def kinds_like(named: Named, frames: SparseFrames, pixels: Pixels, all_are: int | None = None) -> Kinds:
    """Work out the kinds that a beam may hold.

    Parameters
    ----------
    named : Named, as of `named_like`
    frames : SparseFrames, the shots that are to be judged
    pixels : Pixels, that the photons are in
    all_are : int, optional, the species that all these shots are taken for, whatever the weights of others
    """
    asked = named.asked
    if all_are is not None:
        wanted = list(asked)[all_are]
        asked = {name: one if name == wanted else one.model_copy(update={"weight": NEARLY_NONE * one.weight})
                 for name, one in asked.items()}  # fmt: skip
    return named_kinds(asked, named.mixture, named.forms, frames, pixels, named.spread)


def by_themselves(frames: SparseFrames, pixels: Pixels) -> SparseFrames:
    """Give each shot a flat background of its own, from its outermost pixels, where none is known.

    What all of a few shots have on average is that of none of them.
    """
    outer = int(len(pixels.s) * OUTER)
    if frames.background is not None or outer < pixels.within(min(RADIUS, pixels.reach)):
        return frames
    beyond = frames.photons(len(pixels.s)) - frames.photons(outer)
    amount = beyond / pixels.factor[outer:].sum()
    return replace(frames, background=Background(pixels.factor.astype(np.float64), amount.astype(np.float64)))


def drawn_like(named: Named, kinds: Kinds, frames: SparseFrames, pixels: Pixels, seed: int) -> SparseFrames:
    """Draw shots of all species, as bright as measured ones that are too few to tell a mean pattern by."""
    dice = np.random.default_rng(seed)
    kind = dice.choice(len(kinds), DRAWN, p=kinds.fractions / kinds.fractions.sum())
    some = frames[dice.integers(0, len(frames), DRAWN)]
    return drawn_species(named, some, pixels, kinds.radius, kind, background_rate(frames, pixels, kinds.radius), dice)


def named_pairs(like: str | StorePath | Experiment, run: Run, seed: int) -> NamedPairRule | None:
    """Return the rule that tells one from two particles of the only species that the beam may hold.

    Parameters
    ----------
    like : as of `beam_like`
    run : Run, of the shots that are to be sorted
    seed : int

    Returns
    -------
    NamedPairRule; None where there are several species, or it is not one structure
    """
    experiment, mixture = beam_like(like)
    species, body = mixture.species[mixture.wanted], mixture.wanted_body
    # of another species a single particle may look like two of this one
    if len(mixture.species) > 1 or species.variants > 1 or species.members > 1:
        return None
    nuisance, pixels = experiment.nuisance, pixels_of(run.geometry, run.wavelength, "low_q")
    spread = float(np.hypot(nuisance.size_spread, nuisance.energy_spread))
    radius = min(PAIR_RADIUS, pixels.reach)
    form = build_form(body, (radius * (1 + CUT * spread) + MARGIN) * pixels.step)
    if not isinstance(form, Volume):
        return None
    inside = pixels.within(radius)
    pixels = replace(pixels, s=pixels.s[:inside], factor=pixels.factor[:inside], index=pixels.index[:inside])
    distances = Distances.of(
        experiment.hits, experiment.beam.focus_radius, bin=pixels.step, rms=photon_rms(form, pixels)
    )
    views = Views(form, body.radius, pixels, np.zeros(inside), distances)
    return NamedPairRule(NamedBeam(views, spread), seed)


def beam_like(like: str | StorePath | Experiment) -> tuple[Experiment, Mixture]:
    """Return the experiment that is meant, and what its beam may hold.

    Parameters
    ----------
    like : Experiment, path of one as TOML, or path of a simulated store

    Raises
    ------
    InputError
        A store that was not simulated.
    MissingFileError, FormatError, UnknownNameError

    Examples
    --------
    >>> experiment, mixture = beam_like(Experiment(particle="chaperonin", n_shots=1))
    >>> experiment.wanted_index, [species.name for species in mixture.species]
    (0, ['chaperonin'])
    """
    if not isinstance(like, Experiment):
        path = store_path(like)
        if isinstance(path, Path) and not exists(path):
            raise MissingFileError(f"there is no {path} to take species from; give a simulated store or an experiment")
        if isinstance(path, URL) or path.is_dir():
            run = Run.open(path)
            if run.experiment is None or run.mixture is None:
                raise InputError(f"{path} was not simulated and names no species; give an experiment (.toml) instead")
            return run.experiment, run.mixture
        like = Experiment.from_toml(path)
    return like, mixture_of(like, None)[0]
