"""Base of all parts of an experiment, and one sentence for whatever is wrong with one."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from xfeldask.errors import InputError, UnknownNameError

_TRIED = re.compile(r"[\[(]|^constrained-")
MOST_FRACTION = 3
"""Limit of a quantity up to which it is a fraction, that somebody may give in percent."""


class Model(BaseModel):
    """Base of all parts: no unknown keys, no NaN, no change once made; errors are one sentence.

    Examples
    --------
    >>> class Slit(Model):
    ...     width: float
    >>> Slit(width=0.5).width
    0.5
    >>> Slit(width="wide")
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: width: input should be a valid number, unable to parse string as a number, got 'wide'
    >>> Slit(witdh=0.5)
    Traceback (most recent call last):
    ...
    xfeldask.errors.UnknownNameError: unknown key of Slit 'witdh'; did you mean width?
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
            return
        except ValidationError as error:
            problem = _first_error(type(self), error)
        # raised out here, or an error of ours inside pydantic's would be its own context and could not be pickled
        raise problem


def by_name(kind: str, value: object, known: dict[str, Any]) -> Any:
    """Look up a name in `known`; a value that is no name as it is.

    Examples
    --------
    >>> by_name("colour", "red", {"red": 1, "green": 2}), by_name("colour", 3, {"red": 1, "green": 2})
    (1, 3)
    >>> by_name("colour", "rod", {"red": 1, "green": 2})
    Traceback (most recent call last):
    ...
    xfeldask.errors.UnknownNameError: unknown colour 'rod'; did you mean red?
    """
    if not isinstance(value, str):
        return value
    if value not in known:
        raise UnknownNameError(kind, value, known)
    return known[value]


def _first_error(model: type[BaseModel], error: ValidationError) -> InputError:
    # an unknown key comes first: a misspelt one is then not told as missing
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return cause
    where = ".".join(str(part) for part in first["loc"] if _is_name(part)) or model.__name__.lower()
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        return UnknownNameError(f"key of {model.__name__}", name, model.model_fields)
    message = first["msg"].removeprefix("Value error, ")
    message = "is missing; give it a value" if first["type"] == "missing" else message[:1].lower() + message[1:]
    shown = "" if first["type"] in ("missing", "value_error") else f", got {first['input']!r}"
    unit = _unit(model, first["loc"])
    return InputError(f"{where}{'' if first['type'] == 'missing' else ':'} {message}{shown}{unit}{_percent(first)}")


def _is_name(part: str | int) -> bool:
    """Whether a part of a place is of the values that were given, and not of what pydantic tried on them."""
    return isinstance(part, int) or not (_TRIED.search(part) or part in ("float", "int", "str", "bool"))


def _percent(error: Any) -> str:
    """Return a guess where a fraction above its limit is one in percent."""
    context, value = error.get("ctx", {}), error["input"]
    limit = context.get("le", context.get("lt"))
    if limit is None or limit > MOST_FRACTION or not isinstance(value, int | float) or not 0 < value / 100 < limit:
        return ""
    return f"; did you mean {value / 100:g} ({value:g} %)?"


def _unit(model: type[BaseModel], loc: tuple[str | int, ...]) -> str:
    """Return the unit of the field at `loc`, where its description starts with one."""
    field = None
    current: Any = model
    for part in loc:
        fields = getattr(current, "model_fields", {})
        if part not in fields:
            break
        field = fields[part]
        current = field.annotation
    text = (field.description or "") if field is not None else ""
    unit = text.split(",")[0]
    return f" {unit}" if unit in ("m", "eV", "pixels") else ""
