"""A store of a million shots in seconds, for what is measured at that size: few simulated frames, many times over.

Shot i is shot i mod `FRAMES` of a simulated store. Photons and images are hard links to its shards. Each shot's
latent coordinates and score are those of its frame with Gaussian noise, so that no two shots lie at the same place:
the latent space is synthetic, and no result of its own. Everything else is repeated as it is.

    python -m benchmarks.synthetic_million million.zarr
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.core.metadata import ArrayV3Metadata

from xfeldask import embed, simulate
from xfeldask.store.layout import shot_array
from xfeldask.store.storage.manifest import seal

FRAMES = 1_024
HITS = {0: 0.05, 1: 0.85, 2: 0.1}
EMBEDDING = "synthetic"
NOISE = {"latent": 0.35, "score": 0.1}
"""In standard deviations of the frames."""
CHUNK = 131_072


def synthetic_store(path: Path, n_shots: int, **simulated: Any) -> Path:
    """A store of repeated frames with a synthetic latent space.

    Parameters
    ----------
    path : Path, must not exist
    n_shots : int
    simulated : as `xfeldask.simulate` takes them
    """
    few = path.with_name(f"{path.name}.frames")
    asked: dict[str, Any] = {"particle": "chaperonin", "hits": HITS, "seed": 7} | simulated
    simulate(few, n_shots=FRAMES, progress=False, **asked)
    embed(few, name=EMBEDDING, progress=False)
    try:
        repeat(few, path, n_shots)
    finally:
        shutil.rmtree(few)
    return path


def repeat(few: Path, many: Path, n_shots: int) -> None:
    """Make a store of the shots of another one, again and again."""
    source, target = zarr.open_group(few, mode="r"), zarr.open_group(many, mode="w", zarr_format=3)
    frames = shot_array(source, "shot").shape[0]
    told = f"shot i is shot i mod {frames} of a simulation; latent space and score are made"
    target.attrs.update({**source.attrs, "synthetic": told})
    for name, array in source.arrays():
        _repeat_array(array, target, few / name, many / name, n_shots)
    for name, group in source.require_group("latent").groups() if "latent" in source else ():
        made = target.require_group(f"latent/{name}")
        made.attrs.update(group.attrs)
        for part in group.group_keys():
            shutil.copytree(few / "latent" / name / part, many / "latent" / name / part)
        for key, array in group.arrays():
            inside = Path("latent", name, key)
            _repeat_array(array, made, few / inside, many / inside, n_shots)
        seal(many / "latent" / name)
    seal(many)


def _repeat_array(array: zarr.Array[Any], group: zarr.Group, folder: Path, target: Path, n_shots: int) -> None:
    name = folder.name
    assert isinstance(array.metadata, ArrayV3Metadata)
    if (array.metadata.dimension_names or ("",))[0] != "shot":
        shutil.copytree(folder, target)
    elif array.shards is not None:
        shard = array.shards[0]
        if array.shape[0] % shard:
            raise ValueError(f"{array.shape[0]} frames do not fill shards of {shard}")
        group.create_array(
            name, shape=(n_shots, *array.shape[1:]), dtype=array.dtype, chunks=array.chunks, shards=array.shards,
            compressors=array.compressors, fill_value=array.fill_value, attributes=dict(array.attrs),
            dimension_names=array.metadata.dimension_names,
        )  # fmt: skip
        inside = Path(*"0" * (array.ndim - 1))
        for i in range(-(-n_shots // shard)):
            link = target / "c" / str(i) / inside
            link.parent.mkdir(parents=True)
            os.link(folder / "c" / str(i % (array.shape[0] // shard)) / inside, link)
    else:
        frames = np.asarray(array[...])
        values = np.arange(n_shots) if name == "shot" else np.resize(frames, (n_shots, *frames.shape[1:]))
        if name in NOISE:
            spread = NOISE[name] * np.nanstd(frames, axis=0)
            values = values + spread * np.random.default_rng(7).normal(size=values.shape)
        length = array.chunks[0] if name == "shot_status" else min(CHUNK, n_shots)  # a shard's status is a file
        made = group.create_array(
            name, shape=values.shape, dtype=array.dtype, chunks=(length, *values.shape[1:]),
            compressors=array.compressors, fill_value=array.fill_value, attributes=dict(array.attrs),
            dimension_names=array.metadata.dimension_names,
        )  # fmt: skip
        made[...] = values.astype(array.dtype)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--n-shots", type=int, default=1_000_000)
    given = parser.parse_args()
    synthetic_store(given.store, given.n_shots)
