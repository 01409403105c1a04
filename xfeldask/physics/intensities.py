"""Intensities of what is in the beam, each in its own frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.orientations import rotation_matrix
from xfeldask.physics.species import Form, Mixture, form_amplitude
from xfeldask.physics.volume import Volume


def species_intensity(
    mixture: Mixture,
    forms: Sequence[Form],
    species: int,
    s: NDArray[np.float64],
    variant: int = 0,
    size: float = 1.0,
) -> NDArray[np.float64]:
    """Compute the squared amplitude of a particle of one species in its own frame.

    Parameters
    ----------
    mixture : Mixture
    forms : Form of each body
    species, variant : int, which of them
    s : float64 (..., 3), scattering vectors [1/m]
    size : float, relative

    Returns
    -------
    float64 (...) [electrons^2], 0 where the form factor of a member is not known so far out

    Examples
    --------
    >>> from xfeldask.physics.spheroid import Spheroid
    >>> from xfeldask.physics.species import Body, Species
    >>> ball = Spheroid(5e-9, 5e-9, 3.343e29)
    >>> beam = Mixture((Body("ball", ball),), (Species.of("ball", 0),))
    >>> round(float(species_intensity(beam, [ball], 0, np.zeros(3)) ** 0.5))
    175039
    """
    kind, at = mixture.species[species], size * s
    far = np.linalg.norm(at, axis=-1)
    amplitude, known = np.zeros(far.shape, np.complex128), np.ones(far.shape, bool)
    members = zip(kind.body[variant], rotation_matrix(kind.orientation[variant]), kind.offset[variant], strict=True)
    for body, turn, offset in members:
        form = forms[body]
        if isinstance(form, Volume):
            known &= far < form.s_max
        phase = np.exp(2j * np.pi * (at @ offset))
        amplitude[known] += form_amplitude(form, at[known] @ turn) * phase[known]
    return np.where(known, amplitude.real**2 + amplitude.imag**2, 0.0)
