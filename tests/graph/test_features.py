"""Feature matrices are rows of images, cut into batches, and nothing is computed to build them."""

import dask
import dask.array as da
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.graph.features import counts


@given(
    shots=st.integers(1, 40), height=st.integers(1, 6), width=st.integers(1, 6), chunk=st.integers(1, 40),
    batch=st.integers(1, 50),
)  # fmt: skip
def test_counts__are_the_images_as_rows_in_batches(shots: int, height: int, width: int, chunk: int, batch: int) -> None:
    images = np.arange(shots * height * width, dtype=np.uint16).reshape(shots, height, width)
    rows = counts(da.from_array(images, chunks=(chunk, height, width)), batch)
    assert rows.dtype == np.float32
    assert max(rows.chunks[0]) <= batch
    assert all(length == batch for length in rows.chunks[0][:-1])
    np.testing.assert_array_equal(rows.compute(scheduler="synchronous"), images.reshape(shots, -1))


def test_counts__compute_nothing() -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("building the graph computed something")

    with dask.config.set(scheduler=refuse):
        assert counts(da.zeros((10, 4, 5), chunks=(3, 4, 5)), 4).shape == (10, 20)
