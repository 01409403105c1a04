"""An experiment after shots that were measured: their detector, their wavelength, as many photons."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import psutil

from xfeldask.config import BEAMS, Beam, Detector, Experiment
from xfeldask.engines.preparation import MEMORY_PART
from xfeldask.errors import InputError
from xfeldask.formats.inputs import mixture_of
from xfeldask.physics.atoms import Atoms
from xfeldask.physics.detectors import wavelength
from xfeldask.physics.forward import largest_s, mean_photons
from xfeldask.physics.plan import margins
from xfeldask.physics.species import build_form
from xfeldask.store.run import Run


def alike(experiment: Experiment, run: Run, atoms: Atoms | Mapping[str, Atoms] | None = None) -> Experiment:
    """Return an experiment with the detector and the photon energy of a run, and pulses matched to its photons.

    A single hit of the wanted species has, with the background, as many photons on average as a shot of the run has in
    the middle (the median of those that have any): which shots are single, and what in them is background, nobody has
    to know.

    Parameters
    ----------
    experiment : Experiment, whose particle, hits, nuisance and response count; what it says of pixels and beam does not
    run : Run, measured or simulated
    atoms : Atoms, optional, in place of what ``experiment.particle`` names; by name in place of sources of species

    Raises
    ------
    InputError
        No shot of the run has a photon, or the particle scatters none onto its detector.
    """
    counts = run.read("photon_count")[run.done()]
    if not (counts > 0).any():
        raise InputError(f"no shot of {run.path} has a photon; there is nothing to match")
    beam = Beam(
        photon_energy=run.photon_energy,
        photons_per_pulse=BEAMS["amo86615"].photons_per_pulse,
        focus_radius=BEAMS["amo86615"].focus_radius,
    )
    nuisance, geometry = experiment.nuisance, run.geometry
    s_max = largest_s(geometry, wavelength(beam.photon_energy), margins(nuisance, geometry.pixel_size))
    mixture, _ = mixture_of(experiment, atoms)
    memory = int(psutil.virtual_memory().available * MEMORY_PART)
    form = build_form(mixture.wanted_body, s_max, memory)
    members = mixture.species[mixture.wanted].members
    photons = members * mean_photons(form, geometry, beam, s_max) * (1 + nuisance.background)
    if not photons > 0:
        raise InputError(f"{experiment.source} scatters nothing onto the detector of {run.path}")
    matched = beam.photons_per_pulse * float(np.median(counts[counts > 0])) / photons
    values = {name: getattr(experiment, name) for name in Experiment.model_fields}
    response = experiment.detector.response
    values["detector"] = Detector(source=str(run.path.absolute()), response=response)
    values["beam"] = beam.model_dump() | {"photons_per_pulse": matched}
    return Experiment(**values)
