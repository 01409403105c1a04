"""Grids of images."""

from __future__ import annotations

import pytest

from tests.images import LAMBDA, two_panels
from xfeldask.physics.binning import image_grid
from xfeldask.physics.detectors import builtin_geometry


@pytest.fixture(scope="module")
def pnccd():
    return image_grid(builtin_geometry("pnccd-amo86615"), LAMBDA, 8)


@pytest.fixture(scope="module")
def small():
    """A grid with a gap, masked pixels and odd and even sides."""
    return image_grid(two_panels(3), LAMBDA, 2)
