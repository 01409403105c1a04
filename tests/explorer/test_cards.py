from __future__ import annotations

import numpy as np
import panel as pn
import pytest
from bokeh.models import ColorBar, LogTicker

from xfeldask.explorer.model.pictures import Picture
from xfeldask.explorer.view.canvas import Canvas
from xfeldask.explorer.view.cards import LEAST, SCALES, Card, contrast
from xfeldask.explorer.view.theme import FIGURE, PARTS

AXES = ("q along x (1/nm)", "q along y (1/nm)")


def picture(values):
    return Picture(np.array(values, np.float32), (-1.0, -2.0, 4.0, 6.0))


def test_card__shows_a_picture_where_it_is_or_nothing():
    card = Card("pattern", "photons", AXES, reciprocal=True)
    assert not card.image.visible
    card.show(picture([[0, 3], [1, 2]]))
    assert card.image.visible
    data = {name: values[0] for name, values in card.source.data.items()}
    assert (data["x"], data["y"], data["dw"], data["dh"]) == (-1.0, -2.0, 4.0, 6.0)
    np.testing.assert_array_equal(data["image"], [[0, 3], [1, 2]])
    card.show(None)
    assert not card.image.visible


def test_card__and_latent_plot_need_no_other_layout_when_the_page_gives_them_its_looks():
    for fig in (Card("pattern", "photons", AXES, reciprocal=True).figure, Canvas(None).figure):
        for part in (fig, fig.title, *fig.left, *fig.below, *(one for one in fig.right if isinstance(one, ColorBar))):
            looks = FIGURE if part is fig else next(look for kind, look in PARTS.items() if isinstance(part, kind))
            assert {name: getattr(part, name) for name in looks} == looks


def test_card__of_a_blank_has_a_logarithmic_scale():
    card = Card("pattern", "photons", AXES, reciprocal=True)
    log = card.mappers["log"]
    for values, high in (([[0, 0]], 1.0), ([[0, 5]], None), ([[np.nan, 0]], 1.0)):
        card.show(picture(values))
        assert (log.low, log.high) == (LEAST, high)


@pytest.mark.parametrize("reciprocal", [True, False])
def test_card__tells_a_resolution_in_reciprocal_space_alone(reciprocal):
    card = Card("pattern", "photons", AXES, reciprocal)
    tips = [tip for tool in card.figure.toolbar.tools if hasattr(tool, "tooltips") for tip, _ in tool.tooltips]
    assert ("resolution" in tips) == reciprocal
    assert (card.figure.xaxis.axis_label, card.quantity.text) == (AXES[0], "photons")


@pytest.mark.parametrize("scale", SCALES)
def test_contrast__begins_with_the_scale_of_the_card(scale):
    card, other = (Card(title, "photons", AXES, True, scale) for title in ("a", "b"))
    assert card.image.glyph.color_mapper is card.bar.color_mapper is card.mappers[scale]
    controls = contrast([card], recoloured=[other])
    chosen, palette, low, high = controls.objects
    assert (chosen.value, list(chosen.options)) == (scale, list(SCALES))
    assert palette.options[0] == "Viridis"
    assert (low.value, high.value) == (None, None)
    # all of it is done by the browser, which must know every part
    assert controls.get_root() is not None
    assert isinstance(controls, pn.Row)


@pytest.mark.parametrize("scale", SCALES)
def test_colour_bar__has_ticks_that_suit_its_scale(scale):
    card = Card("pattern", "photons", AXES, True, scale)
    assert isinstance(card.bar.ticker, LogTicker) == (scale == "log")


@pytest.mark.parametrize(("most", "kind"), [(3, np.uint8), (300, np.uint16), (70_000, np.float32), (0.5, np.float32)])
def test_card__of_counts_sends_whole_numbers_and_covers_what_is_unknown(most, kind):
    card = Card("pattern", "photons", AXES, reciprocal=True, counts=True)
    shown = picture([[0, most], [np.nan, 2]])
    card.show(shown)
    (sent,), (cover,) = card.source.data["image"], card.cover.data_source.data["image"]
    assert sent.dtype == kind
    np.testing.assert_array_equal(np.where(cover, np.nan, sent), shown.values)
    before = card.cover.data_source.data
    card.show(picture([[1, most], [np.nan, 0]]))
    assert card.cover.data_source.data is before, "of another shot, the same is unknown"
