"""Everything that an embedding depends on, as it is stored."""

from __future__ import annotations

import math
from typing import Any, Self

from pydantic import Field, JsonValue

from xfeldask.records import Record
from xfeldask.sorting.protocol import Allowance


class Parameters(Record):
    """Parameters of an embedding, the attribute `parameters` of its group.

    Attributes
    ----------
    method : str, name of the estimator
    method_parameters : dict, of a named method; of a user's estimator, which arrays cannot restore, how it shows itself
    features : dict, ``name`` of the feature, ``bin`` [pixels], and its options
    n_components : int, asked for
    batch_size : int, shots that entered the fit together
    order : str, of the shots in the fit
    sort : str or None, name of the rule; of a user's own, how it shows itself
    contamination : float, fraction of the shots that the envelope rejects
    max_singles_lost : float, fraction of the singles that the pair rule may reject
    max_contamination : float or None, fraction of the accepted shots that may be anything but a single hit
    labels : int, labelled shots that the rule learned from
    background : str or None, digest of the background that it was made with; None where none was used. Where the model
        came from another store it is that of the run if features are less it, else that of the other
    seed : int
    n_fitted : int, shots that the estimator was fitted to; 0 where the model came from another store
    converged_at : int or None, shots fitted when the latent space had converged
    version : str, of this package
    projected_from : str or None, name of the store that the model came from
    model_digest : str or None, `Embedding.model_digest` of the model that came from another store; None where an older
        version made the embedding too
    image_step : tuple of 2 floats, width along y and x of the bins that features are made of [1/m]; None where an older
        version made the embedding

    Examples
    --------
    >>> found = Parameters.from_json('{"method": "ipca", "features": {"name": "counts", "bin": 2}, "seed": 3}')
    >>> found.method, found.seed, found.sort
    ('ipca', 3, None)
    """

    method: str
    method_parameters: dict[str, JsonValue] | str = Field(default_factory=dict)
    features: dict[str, JsonValue]
    n_components: int = 3
    batch_size: int = 512
    order: str = "ascending"
    sort: str | None = None
    contamination: float = 0.1
    max_singles_lost: float = 0.01
    max_contamination: float | None = None
    labels: int = 0
    background: str | None = None
    seed: int = 0
    n_fitted: int = 0
    converged_at: int | None = None
    version: str = ""
    projected_from: str | None = None
    model_digest: str | None = None
    image_step: tuple[float, float] | None = None

    @property
    def feature_choice(self) -> dict[str, Any]:
        """The features, as `make_features` takes them: older versions stored a bin of 2.0 and took its whole part."""
        bin = self.features.get("bin")
        return self.features | ({"bin": int(bin)} if isinstance(bin, float) and math.isfinite(bin) else {})

    @property
    def allowance(self) -> Allowance:
        """What the rule was allowed."""
        return Allowance(
            max_singles_lost=self.max_singles_lost,
            contamination=self.contamination,
            max_contamination=self.max_contamination,
        )

    def allowing(self, **allowance: float | None) -> Self:
        """Return them with another allowance; a target of None that never was one is not written."""
        if self.max_contamination is None and allowance.get("max_contamination") is None:
            allowance.pop("max_contamination", None)
        return self.model_copy(update=allowance)
