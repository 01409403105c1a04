"""The latent plot as a PNG that says where it comes from."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xfeldask.explorer.drawing import draw, first_range
from xfeldask.explorer.plane import points_of
from xfeldask.explorer.session import DENSITY, Session
from xfeldask.explorer.shots import Column

PIXELS = 1000
DPI = 200


def poster(session: Session) -> bytes:
    """A PNG of the latent plot: axes, colours and selection as they are now, at its first zoom.

    Parameters
    ----------
    session : Session

    Returns
    -------
    bytes, of the file; its text chunks and its last line tell of the store, the embedding and the counts
    """
    columns = [session.shots.column(name) for name in (session.x, session.y)]
    x, y = (np.asarray(column.values, np.float32) for column in columns)
    (x0, x1), (y0, y1) = ranges = first_range(x), first_range(y)
    points = points_of(session, x, y, session.colour)
    drawing = draw(points, session.visible, session.selected, *ranges, PIXELS, PIXELS)
    fig = Figure(figsize=(7.6, 7.2), dpi=DPI, layout="constrained")
    ax = fig.add_subplot()
    ax.imshow(drawing.rgba, extent=(x0, x1, y0, y1), origin="upper", aspect="auto", interpolation="nearest")
    ax.set_xlabel(_label(columns[0]))
    ax.set_ylabel(_label(columns[1]))
    if points.colours:
        counts, by_meaning = session.counts(session.colour), session.colours(session.colour)
        handles = [
            Line2D([], [], marker="o", linestyle="", color=by_meaning[meaning], label=f"{meaning} ({n:,})")
            for meaning, n in counts.items() if meaning not in session.hidden
        ]  # fmt: skip
        ax.legend(handles=handles, title=session.shots.column(session.colour).label, fontsize=8, title_fontsize=8)
    elif session.colour != DENSITY:
        column = session.shots.column(session.colour)
        colours = ScalarMappable(Normalize(*points.span), ListedColormap(points.palette))
        bar = fig.colorbar(colours, ax=ax, fraction=0.04)
        bar.set_label(_label(column))
    about = caption(session, drawing.drawn, drawing.shown)
    ax.set_title(f"{session.shots.path.name}, {session.embedding or 'no embedding'}", fontsize=10)
    fig.supxlabel("\n".join(about), fontsize=6, x=0.01, ha="left")
    out = BytesIO()
    fig.savefig(out, format="png", metadata={"Title": "latent plot", "Description": "\n".join(about)})
    return out.getvalue()


def _label(column: Column) -> str:
    return column.label if column.units == "1" else f"{column.label} ({column.units})"


def caption(session: Session, drawn: int, shown: int) -> list[str]:
    """What a picture shows, and of what, in a few lines."""
    shots = session.shots
    selected = int(session.selected.sum())
    lines = [
        f"store {shots.path.absolute()}, embedding {session.embedding or 'none'}, {session.y} over {session.x}, "
        f"coloured by {session.colour}",
        f"drawn {drawn:,} of {shots.n_shots:,} shots; {shown - drawn:,} outside the view, "
        f"{shots.n_shots - shown:,} hidden; {selected:,} selected, the others grey" if selected else
        f"drawn {drawn:,} of {shots.n_shots:,} shots; {shown - drawn:,} outside the view, "
        f"{shots.n_shots - shown:,} hidden; nothing selected",
    ]  # fmt: skip
    return [*lines, f"selected where {session.where}"] if session.where else lines
