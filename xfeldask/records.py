"""What is written about results: frozen and typed, to JSON and back."""

from __future__ import annotations

import json
from typing import Self

from pydantic import BaseModel, ConfigDict

from xfeldask.errors import CorruptStoreError


class Record(BaseModel):
    """Base of what is stored as JSON beside arrays.

    A frozen model of pydantic, which checks types as it reads. Keys that this version does not know, such as those
    of a newer one, are kept and written again; fields that were never given are not written.

    Examples
    --------
    >>> class Fit(Record):
    ...     n_fitted: int
    ...     converged_at: int | None = None
    >>> Fit.from_json('{"n_fitted": 512, "mood": "good"}').to_json()
    '{"n_fitted": 512, "mood": "good"}'
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    def to_json(self) -> str:
        """Return what was given, as JSON; `from_json` reads it."""
        return json.dumps(self.model_dump(exclude_unset=True))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the record that was written as JSON.

        Raises
        ------
        CorruptStoreError
            The text is no JSON object, a field is missing or of another type.
        """
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            cause = " ".join(str(error).split("\nFor further")[0].split())
            raise CorruptStoreError(f"the stored {cls.__name__.lower()} cannot be read ({cause})") from None
