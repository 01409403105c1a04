"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# a shared machine's pauses are no failure
settings.register_profile("xfeldask", deadline=None)
settings.load_profile("xfeldask")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and golden numbers beside the project."""
    path = Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip(f"{path} is not there")
    return path
