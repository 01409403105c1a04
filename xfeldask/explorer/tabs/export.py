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
from xfeldask.explorer.model.takeaway import means_hdf5, patterns_zip, quantities_csv, report_html
from xfeldask.explorer.tabs.recipe import recipe, recipe_pane
from xfeldask.explorer.tabs.taking import Make, Taking
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.tabs.widgets import caption, heading
from xfeldask.store.selecting import shots_as
from xfeldask.work.progress import Tell

KINDS = ("png", "pdf", "svg")
"""Of files that the latent plot can be."""
FORMS = {"Dragonfly .emc": "emc", "Dragonfly .h5": "emc_hdf5", "CXI": "cxi", "cspi": "cspi", "pictures": "png"}
"""What patterns leave as, by the words for it."""
AS_WRITTEN = {"& .MuiToggleButton-root": {"textTransform": "none", "whiteSpace": "nowrap"}}


def export(session: Session, _: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of downloads."""
    told, words = caption(), recipe_pane(session)
    stem = session.shots.path.stem + (f"-{session.embedding}" if session.embedding else "")
    files = [
        *(
            _download(f"shots.{kind}", f"{stem}-shots.{kind}", partial(_shots, session, kind))
            for kind in ("npy", "csv")
        ),
        _download("quantities.csv", f"{stem}-quantities.csv", partial(_quantities, session)),
    ]
    patterns, means, report = _larger(session, stem)
    kind = _choice({kind: kind for kind in KINDS})
    picture = _download(f"latent plot.{kind.value}", f"{stem}.{kind.value}", lambda: _poster(session, kind.value))

    def show(*_: Any) -> None:
        n, hidden = int(session.selected.sum()), int((session.selected & ~session.visible).sum())
        more = f", {hidden:,} of them hidden in the plots" if hidden else ""
        told.object = (
            f"Absolute indices of the <b>{n:,}</b> selected of {session.shots.n_shots:,} shots{more}, ascending."
            if n else "Nothing is selected: lasso shots in the latent plot, or select in words."
        )  # fmt: skip
        for file in (*files, patterns.make, means.make):
            file.disabled = not n
        words.object = recipe(session)

    def name(*_: Any) -> None:
        picture.param.update(label=f"latent plot.{kind.value}", filename=f"{stem}.{kind.value}")

    kind.param.watch(name, "value")
    watch(show, ["selected", "hidden", "where", "colour"])
    show()
    return pn.Column(
        heading("the selected shots"),
        told,
        pn.Row(*files),
        caption(
            "Indices alone; or every quantity of each shot, as expressions name them and in the units that they take."
        ),
        heading("their patterns"),
        caption("Photons of each shot in a format that other programs read, with all that belongs beside it, as zip."),
        patterns.view,
        caption("Sum, mean, deviation and radial profile of all of them, as HDF5."),
        means.view,
        heading("the run"),
        caption("Verdicts, powders, profiles, scores and the shots nearest to the threshold, as one HTML file."),
        report.view,
        heading("the latent plot"),
        caption(
            "With its axes, colours, selection, counts and origin, at its first zoom: 1520 x 1440 pixels as png, lines "
            "and text that stay sharp as pdf and svg. Metadata of the file hold all parameters besides."
        ),
        pn.Row(kind, picture),
        heading("the selection in words"),
        words,
        sizing_mode="stretch_width",
    )


def chosen(session: Session) -> NDArray[np.int64]:
    """Return the absolute indices of the selected shots, ascending."""
    return np.asarray(session.shots.column("shot").values[session.selected], np.int64)


def _larger(session: Session, stem: str) -> tuple[Taking, Taking, Taking]:
    """Make what takes patterns, means and a report away."""
    kind = _choice(FORMS)

    def of_patterns() -> tuple[str, Make]:
        run, shots, form, embedding = session.shots.run, chosen(session), kind.value, session.embedding
        return f"{stem}-patterns-{form}.zip", lambda tell: patterns_zip(run, shots, form, embedding, tell)

    def of_means() -> tuple[str, Make]:
        run, shots = session.shots.run, chosen(session)

        def make(tell: Tell) -> bytes:
            done = 0

            def advance(more: int) -> None:
                nonlocal done
                done += more
                tell("adding up", done, len(shots), "patterns")

            return means_hdf5(run, shots, advance)

        return f"{stem}-means.h5", make

    def of_run() -> tuple[str, Make]:
        run, embedding = session.shots.run, session.embedding
        return f"{stem}-report.html", lambda _: report_html(run, embedding)

    patterns, means, report = (
        Taking(session, label, prepare)
        for label, prepare in (("patterns.zip", of_patterns), ("means.h5", of_means), ("report.html", of_run))
    )
    patterns.view.insert(0, kind)
    return patterns, means, report


def _choice(options: dict[str, str]) -> Any:
    first = next(iter(options.values()))
    width = sum(40 + 7 * len(word) for word in options)
    return pmui.RadioButtonGroup(options=options, value=first, size="small", margin=(5, 10), width=width, sx=AS_WRITTEN)


def _quantities(session: Session) -> bytes:
    return quantities_csv(session.shots, chosen(session))


def _poster(session: Session, kind: str) -> bytes:
    from xfeldask.explorer.view.poster import poster  # matplotlib takes a while

    return poster(session, kind)


def _shots(session: Session, kind: str) -> bytes:
    return shots_as(kind, chosen(session))


def _download(label: str, filename: str, make: Callable[[], bytes]) -> Any:
    def give() -> BytesIO:
        file.data = None  # a browser saves nothing where the bytes are those of the last time
        return BytesIO(make())

    file = pmui.FileDownload(callback=give, filename=filename, label=label, size="small", margin=(5, 10))
    return file
