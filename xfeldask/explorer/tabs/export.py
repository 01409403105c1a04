"""The selection, its patterns, the run and the latent plot to take away."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from numpy.typing import NDArray

from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.model.takeaway import means_hdf5, patterns_zip, quantities_csv, report_html, table_bytes
from xfeldask.explorer.tabs.recipe import recipe, recipe_pane
from xfeldask.explorer.tabs.taking import Make, Taking
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.fields import AS_WRITTEN
from xfeldask.explorer.view.widgets import caption, heading
from xfeldask.store.choosing.selecting import shots_as
from xfeldask.work.progress import Tell

FIGURE_FORMATS = ("png", "pdf", "svg")
"""Of files that the latent plot can be."""
COLUMNS = "Every quantity of each of them, as expressions name them and in the units that they take"
FORMS = {"Dragonfly .emc": "emc", "Dragonfly .h5": "emc_hdf5", "CXI": "cxi", "cspi": "cspi", "pictures": "png"}
"""What patterns leave as, by the words for it."""


def export(session: Session, _: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of downloads."""
    told, columns, words = caption(), caption(), recipe_pane(session)
    files = {kind: _download(f"shots.{kind}", partial(_shots, session, kind)) for kind in ("npy", "csv")}
    quantities, patterns, means, report = _larger(session)
    kind = _choice({kind: kind for kind in FIGURE_FORMATS})
    picture = _download("", lambda: _poster(session, kind.value))

    def show(*_: Any) -> None:
        n, hidden = int(session.selected.sum()), int((session.selected & ~session.visible).sum())
        more = f", {hidden:,} of them hidden in the plots" if hidden else ""
        told.object = (
            f"Absolute indices of the <b>{n:,}</b> selected of {session.shots.n_shots:,} shots{more}, ascending."
            if n else "Nothing is selected: lasso shots in the latent plot, select in words, or select the accepted on "
            "the tab of the verdict."
        )  # fmt: skip
        size = f": about {table_bytes(session.shots, chosen(session)) / 1e6:,.1f} MB" if n else ""
        columns.object = f"{COLUMNS}{size}."
        for ending, file in files.items():
            file.param.update(disabled=not n, filename=f"{_stem(session)}-shots.{ending}")
        for taking in (quantities, means):
            taking.make.disabled = not n
        for taking in (patterns, report):
            taking.make.disabled = not session.complete or (taking is patterns and not n)
        unfinished.visible = not session.complete
        words.object = recipe(session)
        name()

    def name(*_: Any) -> None:
        picture.param.update(label=f"latent plot.{kind.value}", filename=f"{_stem(session)}.{kind.value}")

    unfinished = caption("Patterns and the report leave when the store is complete and all of it is embedded.")
    kind.param.watch(name, "value")
    watch(show, ["selected", "hidden", "where", "colour", "embedding"])
    show()
    return pn.Column(
        heading("the selected shots"),
        told,
        pn.Row(*files.values()),
        columns,
        quantities.view,
        heading("their patterns"),
        caption("Photons of each shot in a format that other programs read, with all that belongs beside it, as zip."),
        unfinished,
        patterns.view,
        caption("Sum, mean, standard deviation and radial profile of all of them, as HDF5."),
        means.view,
        heading("the run"),
        caption("Verdicts, powders, profiles, scores and the shots nearest to the threshold, as one HTML file."),
        report.view,
        heading("the latent plot"),
        caption(
            "As it is zoomed now, with its axes, colours, selection, counts and origin: 1520 x 1440 pixels as png, "
            "lines and text that stay sharp as pdf and svg. All parameters are in the file's metadata."
        ),
        pn.Row(kind, picture),
        heading("the selection in words"),
        words,
        sizing_mode="stretch_width",
    )


def chosen(session: Session) -> NDArray[np.int64]:
    """Return the absolute indices of the selected shots, ascending."""
    return np.asarray(session.shots.column("shot").values[session.selected], np.int64)


def _stem(session: Session) -> str:
    """Return how the names of files begin, by what is looked at."""
    return session.shots.path.stem + (f"-{session.embedding}" if session.embedding else "")


def _larger(session: Session) -> tuple[Taking, Taking, Taking, Taking]:
    """Make what takes quantities, patterns, means and a report away."""
    kind = _choice(FORMS)

    def of_quantities() -> tuple[str, Make]:
        shots, indices = session.shots, chosen(session)
        return f"{_stem(session)}-quantities.csv", lambda tell: quantities_csv(shots, indices, tell)

    def of_patterns() -> tuple[str, Make]:
        run, shots, form, embedding = session.shots.run, chosen(session), kind.value, session.embedding
        return f"{_stem(session)}-patterns-{form}.zip", lambda tell: patterns_zip(run, shots, form, embedding, tell)

    def of_means() -> tuple[str, Make]:
        run, shots = session.shots.run, chosen(session)

        def make(tell: Tell) -> bytes:
            done = 0

            def advance(more: int) -> None:
                nonlocal done
                done += more
                tell("adding up", done, len(shots), "patterns")

            return means_hdf5(run, shots, advance)

        return f"{_stem(session)}-means.h5", make

    def of_run() -> tuple[str, Make]:
        run, embedding = session.shots.run, session.embedding
        return f"{_stem(session)}-report.html", lambda _: report_html(run, embedding)

    quantities = Taking(session, "quantities.csv", of_quantities)
    patterns = Taking(session, "patterns.zip", of_patterns)
    patterns.view.insert(0, kind)
    return quantities, patterns, Taking(session, "means.h5", of_means), Taking(session, "report.html", of_run)


def _choice(options: dict[str, str]) -> Any:
    first = next(iter(options.values()))
    width = sum(40 + 7 * len(word) for word in options)
    return pmui.RadioButtonGroup(options=options, value=first, size="small", margin=(5, 10), width=width, sx=AS_WRITTEN)


def _poster(session: Session, kind: str) -> bytes:
    from xfeldask.explorer.tabs.poster import poster  # matplotlib takes a while

    return poster(session, kind)


def _shots(session: Session, kind: str) -> bytes:
    return shots_as(kind, chosen(session))


def _download(label: str, make: Callable[[], bytes]) -> Any:
    def give() -> BytesIO:
        file.data = None  # a browser saves nothing where the bytes are those of the last time
        return BytesIO(make())

    file = pmui.FileDownload(callback=give, filename=label or "file", label=label, size="small", margin=(5, 10))
    return file
