"""How well anybody could tell species apart: by whoever knows everything of a shot but what it is of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.constants import physical_constants

from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.physics.intensities import species_intensity
from xfeldask.physics.orientations import rotation_matrix
from xfeldask.sorting.kinds.found import RADIUS
from xfeldask.store.run import Run

R_E = physical_constants["classical electron radius"][0]
WITHIN = np.array([[x, y, 0.0] for x in (-0.25, 0.25) for y in (-0.25, 0.25)])
"""Places in a bin, of which intensities are the mean; at the middle alone they are a tenth too deep between fringes."""
DARK = 1e-12
"""Photons that any bin expects at least."""


def told_by_all_but_the_species(run: Run, frames: SparseFrames, pixels: Pixels, seed: int = 0) -> NDArray[np.int64]:
    """Take each shot for the species under which its photons are likeliest, int64 (shot,).

    Orientation, arrangement, size and background over fluence are those of the truth. What a species that is not the
    true one would have had is drawn from shots of that species. None of this tells the species, so that a judge who
    knows less, and takes nothing from the number of photons, is right more often of equally frequent species only by
    chance.

    Parameters
    ----------
    run : Run, simulated, of one particle a shot
    frames : SparseFrames, of all shots
    pixels : Pixels, that the photons are in
    seed : int
    """
    rng, m = np.random.default_rng(seed), pixels.within(min(RADIUS, pixels.reach))
    truth, variant, size = (run.read(name)[: len(frames), 0] for name in ("species", "variant", "size"))
    turn, fluence, background = run.read("orientation")[:, 0], run.read("fluence")[:, 0], run.read("background")
    area = run.image_grid.weight.reshape(-1)[pixels.index[:m]]
    uniform = area / run.image_grid.weight.sum()
    whole = (run.bin * run.geometry.pixel_size / run.geometry.distance) ** 2
    scale = 1e12 * R_E**2 * whole * pixels.factor[:m]
    mixture, forms = run.mixture, run.forms
    assert mixture is not None
    assert run.experiment is not None
    of = [np.flatnonzero(truth == species) for species in range(len(mixture.species))]
    sphere = np.array([one.sphere is not None for one in run.experiment.named_species().values()])
    found = np.zeros(len(frames), np.int64)
    ends = frames.ends(m)
    for shot in range(len(frames)):
        s = (pixels.s[:m] + pixels.step * WITHIN[:, None]) @ rotation_matrix(turn[shot])
        photons = slice(frames.start[shot], ends[shot])
        at, count = frames.pixel[photons], frames.count[photons]
        like = np.zeros(len(of))
        for species, theirs in enumerate(of):
            other = shot if species == truth[shot] else int(rng.choice(theirs))
            # spheres have sizes of their own, all others the spread that the experiment gives them
            like_sized = shot if not sphere[[species, truth[shot]]].any() else other
            t = size[like_sized]
            grown = t**6 if sphere[species] else 1.0
            intensity = grown * species_intensity(mixture, forms, species, s, variant[other], t).mean(axis=0)
            mean = np.maximum(fluence[shot] * scale * intensity + background[shot] * uniform, DARK)
            like[species] = count @ np.log(mean[at] / mean.sum())
        found[shot] = like.argmax()
    return found
