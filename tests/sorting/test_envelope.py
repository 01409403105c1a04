"""The reference's rule."""

import numpy as np
import pytest

from xfeldask.errors import InputError
from xfeldask.sorting.envelope import elliptic_envelope


def test_elliptic_envelope__flags_the_asked_part_and_the_far_ones() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(size=(950, 3)), rng.normal(size=(50, 3)) + 20])
    score, kept = elliptic_envelope(points, contamination=0.1)
    assert kept.sum() == 900
    assert not kept[950:].any()
    assert (score[kept] >= 0).all()


@pytest.mark.parametrize("contamination", [0.0, -0.1, 0.6, np.nan])
def test_elliptic_envelope__refuses_a_contamination_out_of_range(contamination: float) -> None:
    with pytest.raises(InputError, match="contamination"):
        elliptic_envelope(np.zeros((100, 3)), contamination)


def test_elliptic_envelope__refuses_too_few_shots_and_nan() -> None:
    with pytest.raises(InputError, match="more than 6 shots"):
        elliptic_envelope(np.zeros((6, 3)))
    with pytest.raises(InputError, match="NaN"):
        elliptic_envelope(np.full((60, 3), np.nan))
