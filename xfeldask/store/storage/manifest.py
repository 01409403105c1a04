"""Digests of all metadata of a store, and of each group that is published into it, kept in attributes.

Chunks have checksums of their own; attributes and the metadata of arrays have none, and one changed digit in them is as
wrong as one in a chunk. The manifest is written last, before the store or the group is moved into its place, and holds
however it is copied.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.urls import StorePath

KEY = "manifest"
CHANGES = ("complete", "elsewhere", "ingest", KEY)
"""Attributes of a root that change: while it is written, and where files moved that it was ingested from."""
FILE = "zarr.json"


def seal(folder: Path) -> None:
    """Write the manifest of a store or a group that lies in a folder, into its attributes.

    Parameters
    ----------
    folder : Path

    Examples
    --------
    >>> import tempfile, zarr
    >>> folder = Path(tempfile.mkdtemp()) / "run.zarr"
    >>> _ = zarr.create_group(folder).create_group("latent")
    >>> seal(folder)
    >>> sorted(json.loads((folder / "zarr.json").read_text())["attributes"][KEY]["nodes"])
    ['', 'latent']
    """
    file = folder / FILE
    metadata = json.loads(file.read_text("utf-8"))
    nodes = {name: _digest(json.loads((folder / name / FILE).read_text("utf-8"))) for name in nodes_of(folder)}
    nodes[""] = _digest(metadata)
    metadata.setdefault("attributes", {})[KEY] = {"nodes": nodes, "digest": _sha256(nodes)}
    fresh = file.with_name(f"{FILE}.new.partial")
    fresh.write_text(json.dumps(metadata, indent=2), "utf-8")
    fresh.replace(file)


def broken(path: StorePath) -> list[tuple[str, str]]:
    """Return what in a store is not as its manifest says: names of nodes, "" for its own, and what is wrong.

    Nothing is wrong where there is no manifest, as in stores of older versions.

    Parameters
    ----------
    path : Path or URL, of a store or a group in it

    Examples
    --------
    >>> import tempfile, zarr
    >>> folder = Path(tempfile.mkdtemp()) / "run.zarr"
    >>> latent = zarr.create_group(folder).create_group("latent")
    >>> seal(folder)
    >>> broken(folder)
    []
    >>> latent.attrs["title"] = "mine"
    >>> broken(folder)
    [('latent', 'its metadata or attributes are not those that were written')]
    """
    place = place_of(path)
    try:
        root = json.loads(place.read(FILE))
        manifest = root.get("attributes", {}).get(KEY)
        if manifest is None:
            return []
        nodes: Mapping[str, str] = dict(manifest["nodes"])
        whole = _sha256(nodes) == manifest["digest"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return [("", f"the manifest cannot be read ({error})")]
    if not whole:
        return [("", "the manifest is not what was written")]
    found = []
    written = place.read_all(f"{name}/{FILE}" for name in nodes if name)
    for name, digest in nodes.items():
        try:
            same = _digest(root if not name else json.loads(written[f"{name}/{FILE}"])) == digest
        except (KeyError, ValueError, AttributeError):
            continue  # told by whoever opens it
        if not same:
            found.append((name, "its metadata or attributes are not those that were written"))
    return found


def nodes_of(folder: Path) -> list[str]:
    """Return paths of the groups and arrays below a folder.

    Examples
    --------
    >>> import tempfile, zarr
    >>> folder = Path(tempfile.mkdtemp()) / "run.zarr"
    >>> _ = zarr.create_group(folder).create_group("latent").create_group("ipca")
    >>> nodes_of(folder)
    ['latent', 'latent/ipca']
    """
    return sorted(file.parent.relative_to(folder).as_posix() for file in folder.rglob(FILE) if file.parent != folder)


def _digest(metadata: Mapping[str, Any]) -> str:
    """Digest of metadata without what changes, however they are written."""
    attributes = {k: v for k, v in metadata.get("attributes", {}).items() if k not in CHANGES}
    # zarr says of some groups that they have no consolidated metadata, of others nothing
    rest = {k: v for k, v in metadata.items() if k != "consolidated_metadata"}
    return _sha256({**rest, "attributes": attributes})


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
