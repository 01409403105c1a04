from __future__ import annotations

from itertools import pairwise

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def assert_nothing_is_cut_off(figure: Figure) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box, (width, height) = figure.get_tightbbox(canvas.get_renderer()), figure.get_size_inches()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.01
    for ax in figure.axes:
        boxes = [label.get_window_extent() for label in ax.get_xticklabels() if label.get_text()]
        turned = any(label.get_rotation() for label in ax.get_xticklabels())
        assert turned or not any(a.overlaps(b) for a, b in pairwise(boxes))


def legend_texts(figure: Figure) -> str:
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes)]
    legends += [legend for part in figure.subfigs for legend in part.legends]
    return "\n".join(text.get_text() for legend in legends if legend for text in legend.get_texts())
