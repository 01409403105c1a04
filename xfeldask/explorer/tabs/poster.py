"""The latent plot as a file that says where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from io import BytesIO
from textwrap import wrap
from typing import Any

from matplotlib import rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xfeldask.errors import UnknownNameError
from xfeldask.explorer.model.drawing import Drawing, coordinates, draw, first_range
from xfeldask.explorer.model.session import COUNTS, DENSITY, HEXAGONS, Session
from xfeldask.explorer.model.shapes import DISC, HOLLOW
from xfeldask.explorer.model.words import called
from xfeldask.explorer.tabs.provenance import parameters
from xfeldask.explorer.view.plane import points_of, ranges
from xfeldask.explorer.view.widgets import named

NAMES = {
    "png": ("Title", "Description", "Source", "Software"),
    "pdf": ("Title", "Subject", "Keywords", "Creator"),
    "svg": ("Title", "Description", "Source", "Creator"),
}
"""What a kind of file calls a picture's title, its caption, all parameters, and what made it."""
UNDATED: dict[str, dict[str, None]] = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
PIXELS = 1000
DPI = 200
LINE = 118
"""Characters in a line below the plot."""
STYLE: Any = {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "xfeldask", "text.parse_math": False}
"""By which text stays text, a dollar a dollar, and the same view gives the same bytes."""


def poster(session: Session, kind: str = "png") -> bytes:
    """Draw a picture of the latent plot: axes, zoom, colours and selection as they are now.

    Parameters
    ----------
    session : Session
    kind : str, "png", "pdf" or "svg"; shots are pixels in each of them

    Returns
    -------
    bytes, of the file; the same view gives the same. Its last lines and its metadata tell of the store, the
    embedding, the selection and the counts; its metadata hold all parameters besides, as JSON

    Raises
    ------
    UnknownNameError
        There is no such kind.
    """
    if kind not in NAMES:
        raise UnknownNameError("kind of picture", kind, list(NAMES))
    origin = parameters(session)
    view = {name: getattr(session, name) for name in ("x", "y", "view", "checkpoint", "colour", "hidden", "where")}
    told = json.dumps({"view": view, **origin}, default=str)
    out = BytesIO()
    with rc_context(STYLE):
        fig, about = _figure(session, origin["store"])
        values = "latent plot", "\n".join(about), told, f"xfeldask {version('xfeldask')}"
        fig.savefig(out, format=kind, metadata=dict(zip(NAMES[kind], values, strict=True)) | UNDATED[kind])
    return out.getvalue()


def _figure(session: Session, store: Mapping[str, Any]) -> tuple[Figure, list[str]]:
    """Make the figure, and what is written below it."""
    columns = [session.column(name) for name in (session.x, session.y)]
    x, y = (coordinates(column.values) for column in columns)
    # where all of it is looked at, all of the latent space itself, at earlier checkpoints too
    whole = session.shots.kept(first_range, session.x), session.shots.kept(first_range, session.y)
    x_range, y_range = ranges(session.view) or whole
    points = points_of(session, x, y, session.colour)
    norm = LogNorm(1, 2) if points.hexagons else Normalize(*points.span)
    scale = ScalarMappable(norm, LinearSegmentedColormap.from_list(session.colour, points.palette))

    def drawn(width: int, height: int) -> Drawing:
        drawing = draw(points, session.visible, session.selected, x_range, y_range, width, height)
        if drawing.counts is not None:
            scale.set_clim(1, max(2, int(drawing.counts.max())))
        return drawing

    about = caption(session, drawn(PIXELS, PIXELS), store)
    fig = Figure(figsize=(7.6, 7.2), dpi=DPI, layout="constrained")
    ax = fig.add_subplot(xlim=x_range, ylim=y_range, xlabel=named(columns[0]), ylabel=named(columns[1]))
    ax.set_title(f"{session.shots.path.name}, {session.embedding or 'no embedding'}", fontsize=10)
    _explain(fig, session, scale)
    lines = [part for line in about for part in wrap(line, LINE, subsequent_indent="  ", break_on_hyphens=False)]
    fig.supxlabel("\n".join(lines), fontsize=7, x=0.01, ha="left")
    # shots are drawn in the pixels of the axes, whose place is known now: of a larger picture some would be left out
    fig.draw_without_rendering()
    fig.set_layout_engine("none")
    rgba = drawn(int(ax.bbox.width), int(ax.bbox.height)).rgba
    ax.imshow(rgba, extent=(*x_range, *y_range), origin="upper", aspect="auto", interpolation="nearest")
    return fig, about


def _explain(fig: Figure, session: Session, scale: ScalarMappable) -> None:
    """Explain the colours beside the plot, where no shot is hidden by it."""
    colour = session.colour
    if colour == HEXAGONS:
        fig.colorbar(scale, ax=fig.axes, fraction=0.04, format="{x:,.0f}").set_label("shots in a hexagon")
    elif colour == DENSITY or session.all_alike(colour):
        return
    elif not session.classes(colour):
        fig.colorbar(scale, ax=fig.axes, fraction=0.04).set_label(named(session.shots.shown(colour)))
    else:
        counts, by_meaning, shapes = session.counts(colour), session.colours(colour), session.shapes(colour)
        handles = [
            _dot(shapes[meaning], color=by_meaning[meaning], label=f"{meaning} ({n:,})")
            for meaning, n in counts.items() if meaning not in session.hidden
        ]  # fmt: skip
        title = "\n".join(wrap(called(session.shots.column(colour)), 26))
        fig.legend(handles=handles, title=title, loc="outside right upper", fontsize=8, title_fontsize=8)


def _dot(shape: str, **options: Any) -> Line2D:
    """Make a dot of a shape, for a legend."""
    fill = "none" if shape in HOLLOW else "full"
    return Line2D([], [], marker="o" if shape == DISC else shape, linestyle="", fillstyle=fill, **options)  # type: ignore[arg-type]


def caption(session: Session, drawing: Drawing, store: Mapping[str, Any]) -> list[str]:
    """Write what a picture shows, and of what, in a few lines; `store` is what is written about the store."""
    shots, checkpoint, drawn, shown = session.shots, session.checkpoint, drawing.drawn, drawing.shown
    selected = int(session.selected.sum())
    fitted = f" fitted to {shots.checkpoints[checkpoint]:,} shots" if 0 <= checkpoint < len(shots.checkpoints) else ""
    classes = f" ({', '.join(session.hidden)})" if session.hidden and session.colour not in COUNTS else ""
    chosen = f"{selected:,} selected, the others grey" if selected else "nothing selected"
    names = {"seed": "seed", "experiment": "experiment_digest"}
    made = [f"{name} {store[key]}" for name, key in names.items() if key in store]
    lines = [
        f"store {shots.path.absolute()}, embedding {session.embedding or 'none'}{fitted}, {session.y} over "
        f"{session.x}, coloured by {session.colour}",
        f"drawn {drawn:,} of {shots.n_shots:,} shots; {shown - drawn:,} outside the view, "
        f"{shots.n_shots - shown:,} hidden{classes}; {chosen}",
    ]
    if selected or session.where:
        lines.append(f"selected where {session.where}" if session.where else "selected by hand")
    if session.colour not in COUNTS and (alike := session.all_alike(session.colour)):
        lines.append(alike)
    return [*lines, ", ".join([*made, f"drawn by xfeldask {version('xfeldask')}"])]
