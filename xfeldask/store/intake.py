"""What a store was ingested from: a record of it, and a fingerprint of files that may be too large to be read twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import zarr

from xfeldask.config import Photonize
from xfeldask.errors import CorruptStoreError
from xfeldask.records import Record

SAMPLES = 16
SAMPLE_BYTES = 2**16


NO_PART = ("sources", "variables", "written_back")
"""What does not decide the bytes of a store."""


class Intake(Record):
    """Where the shots of a store came from, and by what way.

    Attributes
    ----------
    sources : tuple of str, absolute paths
    format : str, kind of frames
    fingerprint : str, of the files
    n_shots : int
    geometry : str, digest of pixels and mask
    photon_energy : float [eV]
    photonize : Photonize, how ADU became photons; None where the files hold photons
    variables : tuple of str, truth and columns that the store has
    written_back : str, fingerprint of the files since verdicts were written into them; None where none were

    Examples
    --------
    >>> made = {"format": "npy", "fingerprint": "e3b0", "n_shots": 100, "geometry": "44c2", "photon_energy": 4600.0}
    >>> here, there = Intake(sources=("/data/a.npy",), **made), Intake(sources=("/tape/a.npy",), **made)
    >>> here.digest == there.digest
    True
    """

    sources: tuple[str, ...]
    format: str
    fingerprint: str
    n_shots: int
    geometry: str
    photon_energy: float
    photonize: Photonize | None = None
    variables: tuple[str, ...] = ()
    written_back: str | None = None

    def identity(self) -> dict[str, Any]:
        """Return what decides the bytes of the store, without the names of files."""
        found = {k: v for k, v in self.model_dump(mode="json").items() if k not in NO_PART}
        if self.photonize is not None and self.photonize.digest:
            # files count by what is in them
            found["photonize"] = {k: v for k, v in found["photonize"].items() if not isinstance(v, str) or "/" not in v}
        return found

    @property
    def digest(self) -> str:
        """SHA-256 of the identity, in hexadecimal."""
        text = json.dumps(self.identity(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def stored_intake(root: zarr.Group) -> Intake | None:
    """Return what a store was ingested from; None where it was not.

    Raises
    ------
    CorruptStoreError
        The record cannot be read.

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> root = zarr.create_group(MemoryStore())
    >>> stored_intake(root) is None
    True
    >>> made = {"fingerprint": "e3b0", "n_shots": 100, "geometry": "44c2", "photon_energy": 4600.0}
    >>> root.attrs["ingest"] = Intake(sources=("/data/a.npy",), format="npy", **made).to_json()
    >>> stored_intake(root).sources
    ('/data/a.npy',)
    """
    found: Mapping[str, Any] = root.attrs
    if "ingest" not in found:
        return None
    if not isinstance(found["ingest"], str):
        raise CorruptStoreError(f"{root.store_path}: the record of what was ingested is no text")
    return Intake.from_json(found["ingest"])


def file_of(source: str) -> Path:
    """Return the file or folder that a source is, or is a part of.

    Examples
    --------
    >>> str(file_of("/data/run.h5:/entry/frames"))
    '/data/run.h5'
    """
    return Path(source) if Path(source).exists() else Path(source.partition(":/")[0])


def fingerprint(sources: Sequence[str]) -> str:
    """SHA-256 of the sizes of files and of samples of their content, the same wherever they lie.

    Parameters
    ----------
    sources : paths of files or folders; what follows ``:/`` names a part of one; names of what is no file count as such

    Examples
    --------
    >>> import tempfile
    >>> one, other = (Path(tempfile.mkdtemp()) / name for name in ("a.npy", "b.npy"))
    >>> _ = one.write_bytes(b"photons"), other.write_bytes(b"photons")
    >>> fingerprint([str(one)]) == fingerprint([str(other)])
    True
    >>> _ = other.write_bytes(b"Photons")
    >>> fingerprint([str(one)]) == fingerprint([str(other)])
    False
    """
    state = hashlib.sha256()
    for source in sources:
        path, _, part = (source, "", "") if Path(source).exists() else source.partition(":/")
        state.update(part.encode())
        if not Path(path).exists():
            # the name of a run in an archive
            state.update(source.encode())
            continue
        files = sorted(f for f in Path(path).rglob("*") if f.is_file()) if Path(path).is_dir() else [Path(path)]
        for file in files:
            size = file.stat().st_size
            state.update(f"{file.relative_to(path) if file != Path(path) else ''} {size};".encode())
            with file.open("rb") as content:
                for i in range(SAMPLES if len(files) == 1 else 1):
                    content.seek(max(0, size - SAMPLE_BYTES) * i // max(1, SAMPLES - 1))
                    state.update(content.read(SAMPLE_BYTES))
    return state.hexdigest()
