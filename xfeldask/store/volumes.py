"""A particle's form factor in the store, from where every worker reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from xfeldask.physics.volume import Volume, interpolate
from xfeldask.schema import VARIABLES
from xfeldask.store.layout import write_whole


def write_volume(root: zarr.Group, name: str, volume: Volume, error: float) -> None:
    """Write ``/volume/<name>``.

    Parameters
    ----------
    root : zarr.Group
    name : str
    volume : Volume
    error : float, measured relative error of an interpolated amplitude

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> from xfeldask.physics.interpolation import kernel_pieces
    >>> volume = Volume(np.ones((11, 11, 11), np.complex64), 1e7, 1e7, kernel_pieces(2.0).astype(np.float32))
    >>> root = zarr.create_group(MemoryStore())
    >>> write_volume(root, "mine", volume, 1e-4)
    >>> sorted(root["volume/mine"].array_keys())
    ['coefficient', 'form_factor', 'kernel', 's']
    """
    group = root.require_group("volume").create_group(name)
    n = volume.values.shape[0]
    axis = (np.arange(n) - n // 2) * volume.step
    write_whole(group, VARIABLES["coefficient"], volume.values)
    write_whole(group, VARIABLES["kernel"], volume.taps)
    write_whole(group, VARIABLES["form_factor"], _on_grid(volume, axis))
    write_whole(group, VARIABLES["s"], axis)
    group.attrs.update(
        {
            "step": volume.step,
            "s_max": volume.s_max,
            "units": "m-1",
            # as many digits as any processor agrees on
            "relative_error": float(f"{error:.3g}"),
            "relative_error_meaning": "sum of abs(abs(F) - abs(F0)) over sum of abs(F0), F0 summed over the atoms",
        }
    )


def read_volume(root: zarr.Group, name: str) -> Volume:
    """Read ``/volume/<name>``.

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> from xfeldask.physics.interpolation import kernel_pieces
    >>> volume = Volume(np.ones((11, 11, 11), np.complex64), 1e7, 1e7, kernel_pieces(2.0).astype(np.float32))
    >>> root = zarr.create_group(MemoryStore())
    >>> write_volume(root, "mine", volume, 1e-4)
    >>> found = read_volume(root, "mine")
    >>> bool((found.values == volume.values).all()), found.step
    (True, 10000000.0)
    """
    group = root[f"volume/{name}"]
    assert isinstance(group, zarr.Group)

    def whole(variable: str) -> NDArray[Any]:
        array = group[variable]
        assert isinstance(array, zarr.Array)
        return np.asarray(array[...])

    step, s_max = (float(str(group.attrs[key])) for key in ("step", "s_max"))
    return Volume(whole("coefficient"), step, s_max, whole("kernel"))


def _on_grid(volume: Volume, axis: NDArray[np.float64]) -> NDArray[np.complex64]:
    out = np.full(volume.values.shape, np.nan, np.complex64)
    for i, u in enumerate(axis):
        s = np.stack(np.broadcast_arrays(u, axis[:, None], axis[None]), axis=-1)
        inside = (s * s).sum(-1) <= volume.s_max * volume.s_max
        out[i][inside] = interpolate(volume, s[inside])
    return out
