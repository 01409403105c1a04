"""What of a model travels to workers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any


class FieldsOnly:
    """A dataclass that is pickled by its fields: tables that it keeps are made anew where it arrives."""

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
