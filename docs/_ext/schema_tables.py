"""The store's variables by groups, and the cells of their rows, made from `xfeldask.schema`."""

from __future__ import annotations

from collections.abc import Mapping

from xfeldask.schema import BACKGROUND, LATENT, RECONSTRUCTION, VARIABLES, Variable

HEAD = ("name", "dimensions", "type", "unit", "meaning")
VOLUME = ("coefficient", "form_factor", "s", "kernel", "member_body", "member_orientation", "member_offset",
          "variant_coordinate")  # fmt: skip
AXES = ("shot", "y", "x", "low_y", "low_x", "xyz", "xy", "quaternion")


def groups() -> Mapping[str, list[Variable]]:
    """Every variable of the schema once, by the group under which the page lists it."""
    root = list(VARIABLES.values())
    fixed = [v for v in root if v.role == "fixed"]
    return {
        "shots": [v for v in root if v.role in ("raw", "total")],
        "truth": [v for v in root if v.role == "truth"],
        "species": [v for v in root if v.role == "species"],
        "detector": [v for v in fixed if v.name not in (*VOLUME, *AXES)],
        "axes": [v for v in fixed if v.name in AXES],
        "volume": [v for v in fixed if v.name in VOLUME],
        "latent": list(LATENT.values()),
        "background": list(BACKGROUND.values()),
        "reconstruction": list(RECONSTRUCTION.values()),
    }


def row(variable: Variable) -> tuple[str, ...]:
    """Cells of a variable's row, as plain text."""
    meaning = "; ".join(text for text in (variable.long_name, variable.comment) if text)
    if variable.flags:
        meaning += ": " + ", ".join(f"{value} {name}" for value, name in variable.flags)
    unit = "" if variable.dtype in ("string", "bool") else variable.units
    return variable.name, ", ".join(variable.dims), variable.dtype, unit, meaning
