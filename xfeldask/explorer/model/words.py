"""What the page calls quantities: in the words of the glossary, shorter than the sentences that a store keeps."""

from __future__ import annotations

from xfeldask.schema import LATENT, VARIABLES
from xfeldask.store.choosing.column import Column

WORDS = {
    "what was simulated": "truth",
    "verdict against truth": "confusion",
    LATENT["verdict"].long_name: "verdict",
    LATENT["score"].long_name: "score (larger: more like a single)",
    LATENT["is_single"].long_name: "accepted",
    LATENT["fitted"].long_name: "used for the fit",
    LATENT["separation"].long_name: "separation across the beam",
    VARIABLES["shot_status"].long_name: "written",
    VARIABLES["lost_photons"].long_name: "photons lost to saturation",
    f"{VARIABLES['size'].long_name}, first particle": "size (relative), first particle",
}
"""By the label of the column, not by its name, which a store of somebody else may use for another thing."""


def called(column: Column) -> str:
    """Return what the page calls a quantity.

    Examples
    --------
    >>> import numpy as np
    >>> called(Column("fitted", LATENT["fitted"].long_name, "1", np.zeros(2, bool)))
    'used for the fit'
    >>> called(Column("fitted", "how well a sphere fits", "1", np.zeros(2)))
    'how well a sphere fits'
    """
    return WORDS.get(column.label, column.label)
