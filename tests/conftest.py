"""Fixtures that all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import zarr
from hypothesis import settings

from xfeldask.store import layout

SHARD_BYTES, CODEC_PIPELINE = layout.SHARD_BYTES, zarr.config.get("codec_pipeline.path")

# a shared machine's pauses are no failure
settings.register_profile("xfeldask", deadline=None)
settings.load_profile("xfeldask")


@pytest.fixture(autouse=True)
def settings_stay() -> Iterator[None]:
    """A test that changes a setting of the whole process puts it back."""
    yield
    assert layout.SHARD_BYTES == SHARD_BYTES
    assert zarr.config.get("codec_pipeline.path") == CODEC_PIPELINE


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and golden numbers beside the project."""
    path = Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip(f"{path} is not there")
    return path
