"""One quantity of all shots."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

NO_YES = ((0, "no"), (1, "yes"))


@dataclass(frozen=True, eq=False)
class Column:
    """One quantity of all shots.

    Attributes
    ----------
    name : str
    label : str, for people
    units : str, CF style; "1" for pure numbers
    values : (shot,) numbers or booleans, read-only; not finite where a shot has none
    classes : tuple of (value, meaning), empty for what is continuous

    Examples
    --------
    >>> Column("photon_count", "photons counted in the shot", "count", np.array([480, 512])).classes
    ()
    """

    name: str
    label: str
    units: str
    values: NDArray[Any]
    classes: tuple[tuple[int, str], ...] = ()

    def along(self, n_shots: int) -> Self:
        """Return the quantity of so many shots; those that it does not tell of are of the first of its classes.

        Examples
        --------
        >>> picked = Column("picked", "selection picked", "1", np.array([False, True]), NO_YES)
        >>> picked.along(3).values.tolist(), picked.along(1).values.tolist()
        ([False, True, False], [False])
        """
        if len(self.values) == n_shots:
            return self
        values = np.full(n_shots, self.classes[0][0], self.values.dtype)
        values[: len(self.values)] = self.values[:n_shots]
        return replace(self, values=values)


def column_of(variable: xr.DataArray, more: str = "") -> Column:
    """Take a variable of a store as a column, without its name; `more` is added to its label.

    Examples
    --------
    >>> import xarray as xr
    >>> column_of(xr.DataArray([0, 1], attrs={"flag_values": [0, 1], "flag_meanings": "off on"}, name="laser")).classes
    ((0, 'off'), (1, 'on'))
    """
    values, attrs = variable.values, variable.attrs
    classes: tuple[tuple[int, str], ...] = NO_YES if values.dtype == bool else ()
    if "flag_values" in attrs and "flag_meanings" in attrs:
        meanings = str(attrs["flag_meanings"]).split()
        classes = tuple((int(v), m) for v, m in zip(np.atleast_1d(attrs["flag_values"]), meanings, strict=False))
    label = str(attrs.get("long_name", variable.name)) + more
    return Column("", label, str(attrs.get("units", "1")), values, classes)
