"""The latent plot as files: what they show, what they tell of themselves, and that they are the same each time."""

import base64
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.explorer.conftest import HOSTILE, N
from tests.rarely import rarely
from xfeldask.errors import UnknownNameError
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs import TABS
from xfeldask.explorer.tabs.export import FIGURE_FORMATS
from xfeldask.explorer.tabs.poster import NAMES, poster
from xfeldask.explorer.tabs.provenance import parameters
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.store.run import open_dataset

SVG, DC, XLINK = "{http://www.w3.org/2000/svg}", "{http://purl.org/dc/elements/1.1/}", "{http://www.w3.org/1999/xlink}"
START = {"png": b"\x89PNG\r\n", "pdf": b"%PDF-", "svg": b"<?xml"}
WHERE = 'photon_count > 100 and verdict == "single" and shot not in (1, 2)'


@pytest.fixture
def session(stores: dict[str, Path]) -> Session:
    return Session(stores["whole"], "pairs")


def told(kind: str, file: bytes) -> tuple[str, str]:
    """Caption and parameters in the metadata of a file."""
    if kind == "png":
        info = Image.open(io.BytesIO(file)).info
        return info["Description"], info["Source"]
    if kind == "svg":
        tree = ElementTree.fromstring(file)
        return tuple(tree.findtext(f".//{DC}{name}") for name in ("description", "source"))
    found = (re.search(rb"/%s \((.*?)(?<!\\)\)\n" % name, file, re.DOTALL)[1] for name in (b"Subject", b"Keywords"))
    return tuple(re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), part.decode()) for part in found)


def written(file: bytes) -> list[str]:
    """Lines of text of an SVG."""
    return ["".join(text.itertext()).strip() for text in ElementTree.fromstring(file).iter(f"{SVG}text")]


@pytest.mark.parametrize("kind", NAMES)
def test_poster__tells_where_it_comes_from(session: Session, kind: str) -> None:
    session.choose_where(WHERE)
    file = poster(session, kind)
    assert file.startswith(START[kind])
    about, source = told(kind, file)
    attrs = open_dataset(session.shots.path).attrs
    for part in (
        f"store {session.shots.path.absolute()}, embedding pairs, c1 over c0, coloured by verdict",
        f"of {N} shots", f"{session.selected.sum()} selected, the others grey", f"\nselected where {WHERE}\n",
        f"seed 5, experiment {attrs['experiment_digest']}, drawn by xfeldask ",
    ):  # fmt: skip
        assert part in about
    found = json.loads(source)
    view = found.pop("view")
    assert (view["x"], view["y"], view["colour"], view["where"]) == ("c0", "c1", "verdict", WHERE)
    assert found == json.loads(json.dumps(parameters(session), default=str))


def test_poster__says_how_shots_were_selected_and_which_are_hidden(session: Session) -> None:
    def about() -> str:
        return told("svg", poster(session, "svg"))[0]

    assert "0 hidden; nothing selected\nseed" in about()
    session.choose(np.arange(N) < 9)
    assert "9 selected, the others grey\nselected by hand\nseed" in about()
    session.hidden = ["multiple"]
    assert f"{session.counts('verdict')['multiple']} hidden (multiple); 9 selected" in about()


def test_poster__holds_text_as_text(session: Session) -> None:
    session.choose_where(WHERE)
    lines = written(poster(session, "svg"))
    counts = session.counts("verdict")
    for line in ("component 0 (count)", "whole, pairs", f"selected where {WHERE}", f"single ({counts['single']})"):
        assert line in lines
    session.colour = "photon_count"
    lines = written(poster(session, "svg"))
    assert "photons counted in the shot (count)" in lines
    assert not any(line.startswith("single (") for line in lines)
    # TrueType fonts, of which programs read and change the text
    assert re.search(rb"/Subtype /(TrueType|CIDFontType2)", poster(session, "pdf"))


def painted_by(file: bytes) -> np.ndarray:
    """Where shots are painted in an SVG, bool (row, column)."""
    embedded = next(ElementTree.fromstring(file).iter(f"{SVG}image")).get(f"{XLINK}href").partition("base64,")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(embedded))))[..., 3] > 0


def test_poster__shows_what_is_zoomed_to_and_says_what_is_not_seen(session: Session) -> None:
    x, y = (session.shots.column(name).values for name in ("c0", "c1"))
    shot, step = int(np.argmax(x)), 1e-3
    session.view = [float(v) for v in (x[shot] - step, x[shot] + step, y[shot] - step, y[shot] + step)]
    file = poster(session, "svg")
    about, source = told("svg", file)
    there = int(((np.abs(x - x[shot]) < step) & (np.abs(y - y[shot]) < step)).sum())
    assert f"drawn {there} of {N} shots; {N - there} outside the view" in about
    assert json.loads(source)["view"]["view"] == session.view
    middle = np.argwhere(painted_by(file)).mean(axis=0) / painted_by(file).shape
    np.testing.assert_allclose(middle, 0.5, atol=0.01)


def test_poster__draws_every_shot_in_its_place(session: Session) -> None:
    painted = painted_by(poster(session, "svg"))
    height, width = painted.shape
    x, y = (session.shots.column(name).values for name in ("c0", "c1"))
    (x0, x1), (y0, y1) = (np.quantile(v, [0.0005, 0.9995]) for v in (x, y))
    # a margin of 6 % on each side
    column = ((x - x0) / (x1 - x0) + 0.06) / 1.12 * width
    row = (1 - ((y - y0) / (y1 - y0) + 0.06) / 1.12) * height
    there = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    assert there.sum() > 0.98 * N
    upright = painted[row[there].astype(int), column[there].astype(int)]
    flipped = painted[::-1][row[there].astype(int), column[there].astype(int)]
    # an SVG may hold a picture upside down and turn it
    assert upright.all() or flipped.all()


@pytest.mark.parametrize("kind", [rarely(kind) if kind == "png" else kind for kind in NAMES])
def test_poster__of_the_same_view_is_the_same(session: Session, kind: str) -> None:
    session.choose_where(WHERE)
    file = poster(session, kind)
    assert poster(Session(session.shots.path, "pairs", where=WHERE), kind) == file
    assert not re.search(rb"CreationDate|<dc:date|tIME", file)


@pytest.mark.parametrize(
    ("name", "kind"),
    [(HOSTILE, "svg"), (HOSTILE, "pdf"), rarely(HOSTILE, "png"), ("no embedding", "pdf"), rarely("no truth", "svg")],
)
def test_poster__of_any_store_and_any_words(stores: dict[str, Path], name: str, kind: str) -> None:
    session = Session(stores[name])
    session.choose_where("photon_count >= 0" + " and photon_count >= 0" * 40)
    if session.colour == "verdict":
        session.hidden = ["blank", "single", "multiple"]
    about, _ = told(kind, poster(session, kind))
    assert f"store {session.shots.path.absolute()}, " in about


def test_poster__takes_dollars_for_dollars(stores: dict[str, Path], tmp_path: Path) -> None:
    (link := tmp_path / "a$b$c.zarr").symlink_to(stores["whole"])
    assert "a$b$c.zarr, pairs" in written(poster(Session(link, "pairs"), "svg"))


def test_poster__of_another_kind_is_refused(session: Session) -> None:
    with pytest.raises(UnknownNameError, match="'gif'"):
        poster(session, "gif")


def test_export__offers_each_kind_of_picture(session: Session) -> None:
    view = TABS["export"](session, Pictures(session.shots.run), Watch(session))
    choice = next(iter(view.select(lambda v: getattr(v, "options", None) == {kind: kind for kind in FIGURE_FORMATS})))
    picture = next(file for file in view.select(lambda v: hasattr(v, "filename")) if file.filename.endswith(".png"))
    assert set(FIGURE_FORMATS) == set(NAMES)
    for kind in (*FIGURE_FORMATS, "png"):
        choice.value = kind
        assert (picture.label, picture.filename) == (f"latent plot.{kind}", f"whole-pairs.{kind}")
        assert picture.callback().read().startswith(START[kind])
