"""What is in the beam, as it is stored: bodies with their form factors, which every worker reads, and species."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from xfeldask.errors import CorruptStoreError, XfeldaskError, first_line
from xfeldask.physics.atoms import Atoms, make_atoms
from xfeldask.physics.species import Body, Form, Mixture, Species
from xfeldask.physics.spheroid import Spheroid
from xfeldask.physics.volume import Volume, interpolate
from xfeldask.schema import VARIABLES
from xfeldask.store.layout import write_whole

VOLUME = ("coefficient", "kernel", "form_factor", "s")
ATOMS = ("atom_position", "atom_element", "atom_occupancy")
SPHEROID = ("across", "along", "density")
MEMBERS = ("member_body", "member_orientation", "member_offset", "variant_coordinate")


def write_mixture(root: zarr.Group, mixture: Mixture, forms: Sequence[Form], errors: Sequence[float]) -> None:
    """Write ``/volume/<name>`` of each body and of each species.

    Atoms of the wanted species are those of the root, and not written once more.

    Parameters
    ----------
    root : zarr.Group
    mixture : Mixture
    forms : Form of each body
    errors : of an amplitude of each
    """
    for body, form, error in zip(mixture.bodies, forms, errors, strict=True):
        if isinstance(form, Volume):
            group = write_volume(root, body.name, form, error)
        else:
            group = root.require_group("volume").create_group(body.name)
            units = {"units": "m", "density_units": "electron m-3"}
            group.update_attributes({**{name: getattr(form, name) for name in SPHEROID}, **units})
        if isinstance(body.matter, Atoms) and body is not mixture.wanted_body:
            group.attrs["atoms"] = "here"
            for name, value in atom_variables(body.matter).items():
                write_whole(group, VARIABLES[name], value)
    names = np.array([body.name for body in mixture.bodies], object)
    for species in mixture.species:
        group = root.require_group(f"volume/{species.name}")
        write_whole(group, VARIABLES["member_body"], names[species.body])
        write_whole(group, VARIABLES["member_orientation"], species.orientation)
        write_whole(group, VARIABLES["member_offset"], species.offset)
        write_whole(group, VARIABLES["variant_coordinate"], species.coordinate)


def atom_variables(atoms: Atoms) -> dict[str, NDArray[Any]]:
    """Return the variables that atoms are stored in, by name."""
    return dict(zip(ATOMS, (atoms.position, atoms.element, atoms.occupancy), strict=True))


def read_mixture(root: zarr.Group) -> Mixture:
    """Read what is in the beam; of a store without species its one particle.

    Raises
    ------
    CorruptStoreError
        Something is missing, or cannot be read.
    """
    attributes: dict[str, Any] = root.attrs.asdict()
    with _reading(root, "what is in the beam"):
        if "species" not in attributes:
            return Mixture.single(str(attributes["particle"]), _atoms(root))
        wanted = str(attributes["particle"])
        names = [str(name) for name in attributes["bodies"]]
        species = tuple(_species(root, str(name), names) for name in attributes["species"])
        index = [one.name for one in species].index(wanted)
        first = names[int(species[index].body[0, 0])]
        bodies = tuple(Body(name, _matter(root, name, name == first)) for name in names)
        return Mixture(bodies, species, index)


def read_form(root: zarr.Group, body: Body) -> Form:
    """Read the form factor of a body.

    Raises
    ------
    CorruptStoreError
        Something is missing, or cannot be read.
    """
    return body.matter if isinstance(body.matter, Spheroid) else read_volume(root, body.name)


def body_arrays(group: zarr.Group) -> tuple[str, ...]:
    """Arrays that the group of a body has, by what its attributes tell of it."""
    return () if "density" in group.attrs else VOLUME + (ATOMS if "atoms" in group.attrs else ())


def _species(root: zarr.Group, name: str, bodies: list[str]) -> Species:
    group = _group(root, f"volume/{name}")
    body = np.array([[bodies.index(str(one)) for one in row] for row in _whole(group, "member_body")], np.int64)
    parts = (_whole(group, part) for part in ("member_orientation", "member_offset", "variant_coordinate"))
    return Species(name, body, *parts)


def _matter(root: zarr.Group, name: str, is_wanted: bool) -> Atoms | Spheroid:
    group = _group(root, f"volume/{name}")
    if "density" in group.attrs:
        return Spheroid(*(float(str(group.attrs[part])) for part in SPHEROID))
    return _atoms(root if is_wanted else group)


def _atoms(group: zarr.Group) -> Atoms:
    position, element, occupancy = (_whole(group, name) for name in ATOMS)
    return make_atoms(position, element.tolist(), occupancy)


@contextmanager
def _reading(root: zarr.Group, what: str) -> Iterator[None]:
    try:
        yield
    except XfeldaskError:
        raise
    except Exception as error:  # a decoder may raise anything on damaged bytes
        told = f"{root.store_path}: {what} cannot be read ({first_line(error)}); xfeldask verify names what is broken"
        raise CorruptStoreError(told) from error


def _group(root: zarr.Group, name: str) -> zarr.Group:
    group = root[name]
    if not isinstance(group, zarr.Group):
        raise KeyError(f"{name} is no group")
    return group


def _whole(group: zarr.Group, variable: str) -> NDArray[Any]:
    array = group[variable]
    if not isinstance(array, zarr.Array):
        raise KeyError(f"{variable} is no array")
    return np.asarray(array[...])


def write_volume(root: zarr.Group, name: str, volume: Volume, error: float) -> zarr.Group:
    """Write ``/volume/<name>`` and return it.

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
    >>> _ = write_volume(root, "mine", volume, 1e-4)
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
    group.update_attributes(
        {
            "step": volume.step,
            "s_max": volume.s_max,
            "units": "m-1",
            # as many digits as any processor agrees on
            "relative_error": float(f"{error:.3g}"),
            "relative_error_meaning": "sum of abs(abs(F) - abs(F0)) over sum of abs(F0), F0 summed over the atoms",
        }
    )
    return group


def read_volume(root: zarr.Group, name: str) -> Volume:
    """Read ``/volume/<name>``.

    Raises
    ------
    CorruptStoreError
        Something is missing, or cannot be read.

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> from xfeldask.physics.interpolation import kernel_pieces
    >>> volume = Volume(np.ones((11, 11, 11), np.complex64), 1e7, 1e7, kernel_pieces(2.0).astype(np.float32))
    >>> root = zarr.create_group(MemoryStore())
    >>> _ = write_volume(root, "mine", volume, 1e-4)
    >>> found = read_volume(root, "mine")
    >>> bool((found.values == volume.values).all()), found.step
    (True, 10000000.0)
    """
    with _reading(root, f"the form factor of {name}"):
        group = _group(root, f"volume/{name}")
        step, s_max = (float(str(group.attrs[key])) for key in ("step", "s_max"))
        return Volume(_whole(group, "coefficient"), step, s_max, _whole(group, "kernel"))


def _on_grid(volume: Volume, axis: NDArray[np.float64]) -> NDArray[np.complex64]:
    out, square = np.full(volume.values.shape, np.nan, np.complex64), axis * axis
    for i, u in enumerate(axis):
        inside = (square[i] + square[:, None]) + square <= volume.s_max * volume.s_max
        y, z = np.nonzero(inside)
        out[i][inside] = interpolate(volume, np.column_stack([np.full(len(y), u), axis[y], axis[z]]))
    return out
