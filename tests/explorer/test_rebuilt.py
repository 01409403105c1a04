from __future__ import annotations

import numpy as np
import pytest

from tests.explorer.few_shots import pictures, session, texts
from xfeldask.explorer.model.pictures import PHOTONS, WHOLE, Picture
from xfeldask.explorer.tabs.rebuilt import STEPS, RebuiltView, placed


@pytest.mark.parametrize(
    ("shape", "extent"),
    [
        ((4, 6), (0.0, 0.0, 6.0, 4.0)),
        ((2, 3), (0.0, 0.0, 6.0, 4.0)),
        # four bins of two reach over the edge of six by two
        ((2, 4), (0.0, 0.0, 8.0, 4.0)),
    ],
)
def test_placed__reaches_as_far_as_its_bins(shape, extent):
    binned = Picture(np.ones((4, 6), np.float32), (0.0, 0.0, 6.0, 4.0))
    assert placed(np.ones(shape), binned).extent == extent


def test_placed__knows_nothing_where_the_image_does_not():
    values = np.ones((2, 2), np.float32)
    values[0, 1] = np.nan
    found = placed(np.zeros((2, 2)), Picture(values, (0, 0, 1, 1))).values
    assert np.isnan(found).tolist() == [[False, True], [False, False]]


def test_rebuilt__from_more_components_leaves_less():
    view = RebuiltView(session(), pictures())
    view.show(7)
    left = []
    for k in range(3):
        view.slider.value = k
        left.append(float(texts(view.view).split("<b>")[1].split("%")[0]))
        image, rebuilt, residual = (card.source.data["image"][0] for card in view.cards)
        step = view.cards[0].mappers["linear"].high / STEPS
        np.testing.assert_allclose(image - rebuilt, residual, atol=1.6 * step)
    assert left[0] == 100
    assert left == sorted(left, reverse=True)
    assert [card.figure.title.text for card in view.cards] == ["image", "2 of 2 components", "residual"]


def test_rebuilt__shares_a_scale_and_has_residuals_about_zero():
    view = RebuiltView(session(), pictures())
    view.show(3)
    image, rebuilt, residual = (card.mappers["linear"] for card in view.cards)
    assert (image.low, image.high) == (rebuilt.low, rebuilt.high)
    assert residual.low == -residual.high


def test_rebuilt__shows_the_part_that_all_patterns_show():
    looked = session(zoom=WHOLE)
    view = RebuiltView(looked, pictures())
    view.show(3)
    whole = [card.source.data["image"][0].shape for card in view.cards]
    looked.zoom = PHOTONS
    view.zoom()
    wanted = pictures().cut(pictures().binned(3), PHOTONS)
    assert [card.source.data["image"][0].shape for card in view.cards] == [wanted.values.shape] * 3
    assert whole == [pictures().binned(3).values.shape] * 3
    assert view.cards[0].source.data["dw"] == [wanted.extent[2]]
