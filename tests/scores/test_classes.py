"""One class, one colour: the same wherever it is drawn, and not the same as another's beside it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from xfeldask.schema import BLANK, MULTIPLE, OF_KINDS, SINGLE
from xfeldask.scores.classes import COLORS, KINDS, OUTCOMES, ShotClass

SEEN = {
    "by most people": np.eye(3),
    "without red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "without green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "without blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""Linear RGB as other people see it, G. M. Machado et al., IEEE Trans. Vis. Comput. Graph. 15, 1291 (2009)."""


def lab(color: str, seen: str) -> np.ndarray:
    """CIE L*a*b* of a colour as it is seen."""
    srgb = np.array(to_rgb(color))
    linear = np.clip(SEEN[seen] @ np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4), 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    xyz /= [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("drawn", [KINDS, OUTCOMES])
def test_classes__drawn_together_are_told_apart(drawn: tuple[ShotClass, ...], seen: str) -> None:
    for a, b in combinations(drawn, 2):
        assert np.linalg.norm(lab(a.color, seen) - lab(b.color, seen)) > 15, (a.name, b.name)
    assert len({found.marker for found in drawn}) == len(drawn)


def test_kinds__are_named_and_numbered_as_in_a_store() -> None:
    assert [(code, found.name) for code, found in enumerate(KINDS)] == list(OF_KINDS.flags)
    assert [KINDS[code].name for code in (BLANK, SINGLE, MULTIPLE)] == ["blank", "single", "multiple"]


def test_colors__an_accepted_shot_has_that_of_what_it_is() -> None:
    for kind in ("single", "multiple"):
        assert COLORS[f"{kind} accepted"] == COLORS[kind]
    assert len({COLORS[found.name] for found in OUTCOMES}) == len(OUTCOMES)
