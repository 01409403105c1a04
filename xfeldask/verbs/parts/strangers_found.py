"""From which fraction on species would be found among the hits of a run."""

from __future__ import annotations

from xfeldask.config import Experiment
from xfeldask.orient.parallel import By
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.physics.species import Mixture
from xfeldask.sorting.kinds.strangers import FRACTIONS, Sought, least_found, refuse_few
from xfeldask.verbs.parts.named_species import kinds_like, named_like
from xfeldask.work.progress import Tell, reporter


def strangers_found(
    experiment: Experiment, mixture: Mixture, hits: SparseFrames, pixels: Pixels, seed: int, by: By,
    progress: bool | Tell,
) -> dict[str, Sought]:  # fmt: skip
    """Put shots of species among hits of the wanted kind, and tell from which fraction on each is found.

    Parameters
    ----------
    experiment, mixture : of the species, as of `beam_like`. The hits are taken for the wanted one: they tell how strong
        pulses are. Where there are others, these are the strangers, else it is
    hits : SparseFrames, of the wanted kind, of which intensities were made
    pixels, seed, progress : as of `find_kinds`
    by : as of `expand_maximise_compress`

    Returns
    -------
    dict, Sought by name, as of `least_found`

    Raises
    ------
    InputError
        As of `refuse_few`.
    """
    refuse_few(hits)
    kinds = kinds_like(named_like(experiment, mixture, pixels), hits, pixels, experiment.wanted_index)
    strange = [k for k in range(len(kinds)) if k != experiment.wanted_index] or [0]
    with reporter("putting strangers among hits", len(strange) * len(FRACTIONS), "mixtures", progress) as telling:
        return {
            kinds.names[k]: least_found(hits, pixels, kinds, k, seed=seed, by=by, tell=lambda: telling.advance(1))
            for k in strange
        }  # fmt: skip
