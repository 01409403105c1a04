"""What an experiment is: validated, immutable, written to and read from TOML, with a digest.

Names and paths are kept as given; `xfeldask.formats.inputs.resolve` turns them into atoms, pixels and numbers
and fills in the digests of what it read.
"""

from xfeldask.config.background import Background
from xfeldask.config.experiment import Experiment
from xfeldask.config.parts import (
    BEAMS,
    NUISANCES,
    REALISTIC_HITS,
    Beam,
    Detector,
    Hits,
    Nuisance,
    Orientations,
    Particle,
    hits_values,
)
from xfeldask.config.photonize import CommonMode, Photonize
from xfeldask.config.response import RESPONSES, Response
from xfeldask.config.species import Hinge, Species, Sphere

__all__ = [
    "BEAMS",
    "NUISANCES",
    "REALISTIC_HITS",
    "RESPONSES",
    "Background",
    "Beam",
    "CommonMode",
    "Detector",
    "Experiment",
    "Hinge",
    "Hits",
    "Nuisance",
    "Orientations",
    "Particle",
    "Photonize",
    "Response",
    "Species",
    "Sphere",
    "hits_values",
]
