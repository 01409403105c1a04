"""Hypothesis strategies for what shots are made of."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xfeldask.physics.detectors import make_geometry
from xfeldask.physics.interpolation import kernel_pieces
from xfeldask.physics.orientations import rotation_matrix, uniform_quaternion
from xfeldask.physics.volume import Volume

seeds = st.integers(0, 2**63 - 1)
fractions = st.floats(0, 1, exclude_max=True)
quaternions = arrays(np.float64, 3, elements=fractions).map(uniform_quaternion)
rotations = quaternions.map(rotation_matrix)


def examples(fraction: float) -> settings:
    """Fraction of the examples that other tests try, for a test whose examples take long; more in a campaign, too."""
    return settings(max_examples=max(1, round(fraction * settings().max_examples)))


@st.composite
def volumes(draw, step=1e7):
    """Any complex coefficients on a small grid; no particle need have them."""
    n = draw(st.integers(10, 15))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = rng.standard_normal((n, n, n, 2)) * 10.0 ** rng.uniform(-3, 3, (n, n, n, 1))
    taps = kernel_pieces(draw(st.floats(2, 6))).astype(np.float32)
    return Volume(values.astype(np.float32).view(np.complex64)[..., 0], step, (n // 2 - 4) * step, taps)


@st.composite
def geometries(draw):
    """Panels of any shape, tilted, shifted and partly masked, 0.1 m downstream."""
    panels, rows, columns = draw(st.tuples(st.integers(1, 3), st.integers(1, 23), st.integers(1, 23)))
    size = draw(st.sampled_from([75e-6, 600e-6]))
    ss, fs = np.meshgrid(np.arange(rows) * size, np.arange(columns) * size, indexing="ij")
    flat = np.stack([ss, fs, np.zeros_like(ss)], axis=-1)
    corner = [[draw(st.floats(-0.02, 0.02)), draw(st.floats(-0.02, 0.02)), 0.1] for _ in range(panels)]
    position = np.stack([flat @ draw(rotations).T + at for at in corner])
    mask = np.random.default_rng(draw(st.integers(0, 2**32))).random((panels, rows, columns)) < draw(
        st.sampled_from([0.02, 0.5, 1.0])
    )
    mask[0, 0, 0] = True
    return make_geometry(position, size, mask)


@st.composite
def members(draw, sizes=(1.0, 1.0)):
    """Up to three particles of a shot as (rotation, place [m], fluence [1/m^2], size)."""
    coordinate = st.floats(-50e-9, 50e-9)
    one = st.tuples(
        rotations,
        st.tuples(coordinate, coordinate, coordinate).map(np.array),
        st.floats(0, 2e24),
        st.floats(*sizes),
    )
    return draw(st.lists(one, max_size=3))
