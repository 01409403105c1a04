"""What tabs hold and hear, without a browser."""

import html
import io
import json
import shlex
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
import pytest
from bokeh.events import SelectionGeometry
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from tests.explorer.conftest import HOSTILE, TELL_THE_NAME, N
from tests.once import Once
from xfeldask import embed, open_dataset
from xfeldask.cli import commands
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs import TABS, Tabs
from xfeldask.explorer.tabs.export import chosen
from xfeldask.explorer.tabs.gallery import PAGE, gallery
from xfeldask.explorer.tabs.histograms import Bins, Histogram
from xfeldask.explorer.tabs.poster import poster
from xfeldask.explorer.tabs.provenance import parameters, tree
from xfeldask.explorer.tabs.rebuilt import STEPS, RebuiltView, placed
from xfeldask.explorer.tabs.recipe import python_text, recipe, shell_text
from xfeldask.explorer.tabs.shot import lit, nearby
from xfeldask.explorer.tabs.statistics import Statistics
from xfeldask.explorer.tabs.verdict import Verdict
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.schema import SINGLE
from xfeldask.scores import sorting_scores
from xfeldask.store.choosing.columns import Column
from xfeldask.store.run import open_run

TRUTH = ("n_particles", "orientation", "position", "fluence", "size", "background", "photon_energy")


@pytest.fixture(scope="module")
def store(once: Once, stores: dict[str, Path]) -> Path:
    small = {"n_components": 2, "progress": False}

    def make(path: Path) -> None:
        shutil.copytree(stores["whole"], path)
        embed(path, name="envelope", sort="elliptic_envelope", **small)
        embed(path, name="unsorted", sort=None, features={"name": "counts", "bin": 4}, **small)
        embed(path, name="map", method="diffusion_map", features="normalised", sort=None, **small)

    return once("tabs", make)


@pytest.fixture(scope="module")
def bare(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tabs") / "bare.zarr"
    shutil.copytree(store, path)
    for name in TRUTH:
        shutil.rmtree(path / name)
    return path


@pytest.fixture(scope="module")
def empty(stores: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tabs") / "empty.zarr"
    shutil.copytree(stores["no embedding"], path)
    for name in TRUTH:
        shutil.rmtree(path / name)
    return path


@pytest.fixture
def session(store: Path) -> Session:
    return Session(store, "pairs")


def texts(view: Any) -> str:
    return "\n".join(str(pane.object) for pane in view.select(pn.pane.HTML))


OF_EMBEDDING = {"shot", "verdict", "latent space"}
"""Tabs that show what an embedding has, and are made of each kind of it every day."""
MOST_AND_LEAST = {("store", "pairs"), ("bare", "map")}
OF_EACH_KIND = MOST_AND_LEAST | {("store", "unsorted"), ("bare", "envelope")}
"""Stores and embeddings of which tabs are made every day; all pairs are in a campaign."""


def every_day(name: str, pair: tuple[str, str]) -> bool:
    return pair in (OF_EACH_KIND if name in OF_EMBEDDING else MOST_AND_LEAST)


@pytest.mark.parametrize(
    ("name", "which", "embedding"),
    [
        pytest.param(name, *pair, marks=() if every_day(name, pair) else pytest.mark.campaign)
        for name in TABS
        for pair in product(("store", "bare"), ("pairs", "envelope", "unsorted", "map"))
    ],
)
def test_tabs__are_made_of_any_store_and_follow_it(
    name: str, which: str, embedding: str, request: pytest.FixtureRequest
) -> None:
    session = Session(request.getfixturevalue(which), embedding)
    view = TABS[name](session, Pictures(session.shots.run), Watch(session))
    view.get_root()
    session.shot = 7
    session.choose_where("shot < 50")
    session.invert()
    session.shot = 9
    assert view.select()


@pytest.mark.parametrize("name", TABS)
def test_tabs__are_made_without_an_embedding(empty: Path, name: str) -> None:
    session = Session(empty)
    session.shot = 3
    view = TABS[name](session, Pictures(open_run(empty)), Watch(session))
    view.get_root()
    if name in ("verdict", "latent space"):
        assert "There is no embedding yet" in texts(view)


@pytest.mark.parametrize(
    ("embedding", "tab", "words"),
    [
        ("unsorted", "verdict", "unsorted has no score to set a threshold on"),
        ("map", "latent space", "diffusion_map has no components that could be shown as images"),
        ("map", "latent space", "diffusion_map tells no variance"),
        ("map", "shot", "made by diffusion_map, which is not linear"),
    ],
)
def test_tabs__say_why_there_is_nothing_to_be_seen(store: Path, embedding: str, tab: str, words: str) -> None:
    session = Session(store, embedding, shot=1)
    assert words in texts(TABS[tab](session, Pictures(open_run(store)), Watch(session)))


def test_tabs__without_truth_count_and_no_more(bare: Path) -> None:
    session = Session(bare, "pairs")
    view = texts(TABS["verdict"](session, Pictures(open_run(bare)), Watch(session)))
    assert "the store does not tell the truth" in view
    assert "single hits" not in view
    assert "does not tell orientations" in texts(TABS["orientation"](session, Pictures(open_run(bare)), Watch(session)))


def test_tabs__that_tell_the_name_of_the_store_are_known(stores: dict[str, Path]) -> None:
    """Those that a browser looks at for a name that means harm."""

    def told(name: str) -> bool:
        session = Session(stores[HOSTILE], "pairs", shot=3)
        root = TABS[name](session, Pictures(session.shots.run), Watch(session)).get_root()
        held = (str(model.properties_with_values()) for model in root.references())
        return any(Path(HOSTILE).stem in html.unescape(html.unescape(text)) for text in held)

    assert tuple(name for name in TABS if told(name)) == TELL_THE_NAME


class Spy:
    """A tab that writes down when it is made and what it hears."""

    def __init__(self) -> None:
        self.made, self.heard = 0, 0

    def __call__(self, session: Session, pictures: Pictures, watch: Watch) -> pn.viewable.Viewable:
        self.made += 1
        watch(self.hear, ["selected", "shot"])
        return pn.pane.HTML("spy")

    def hear(self, *events: Any) -> None:
        self.heard += len(events)


def test_bar__makes_tabs_when_they_are_opened_and_lets_closed_ones_be(session: Session) -> None:
    one, two = Spy(), Spy()
    tabs = Tabs(session, Pictures(session.shots.run), {"one": one, "two": two})
    assert (one.made, two.made) == (1, 0)
    session.shot = 5
    tabs.bar.active = 1
    assert (one.heard, two.made, two.heard) == (1, 1, 0)
    for shot in (6, 7, 8):
        session.shot = shot
    session.choose_where("shot < 5")
    assert (one.heard, two.heard) == (1, 4)
    tabs.bar.active = 0
    assert (one.made, one.heard) == (1, 3)
    assert [box.visible for box in tabs.view[1:]] == [True, False]


def test_bar__makes_tabs_anew_for_another_embedding(session: Session) -> None:
    one, two = Spy(), Spy()
    tabs = Tabs(session, Pictures(session.shots.run), {"one": one, "statistics": two})
    tabs.bar.active = 1
    session.reopen("envelope")
    assert (one.made, two.made) == (1, 1)
    heard = one.heard
    tabs.bar.active = 0
    assert (one.made, one.heard) == (2, heard)
    session.shot = 3
    assert one.heard == heard + 1


def test_bar__shows_a_sentence_where_a_tab_cannot_be_made(store: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(store, tmp_path / "run.zarr"))
    session = Session(broken, "pairs")
    shutil.rmtree(broken / "latent")
    tabs = Tabs(session, Pictures.__new__(Pictures), {"latent space": TABS["latent space"]})
    assert str(broken) in texts(tabs.view)


def test_verdict__agrees_with_the_scores_of_sorting(store: Path) -> None:
    for embedding in ("pairs", "envelope"):
        found = open_dataset(store, group=f"latent/{embedding}")
        single = open_dataset(store).n_particles.values == SINGLE
        view = Verdict(Session(store, embedding), Pictures(open_run(store)))
        at = view.slider.value
        scores = sorting_scores(single, found.is_single.values, found.score.values)
        assert view.threshold.confusion(at) == scores.confusion
        assert view.threshold.accepted(at) == found.is_single.values.sum()
        assert view.threshold.area == pytest.approx(scores.roc_auc)
        for n in (scores.confusion.singles_accepted, scores.confusion.multiples_rejected, scores.confusion.shots):
            assert f">{n:,}<" in view.table.object


def test_verdict__moves_with_the_slider_and_selects(session: Session) -> None:
    view = Verdict(session, Pictures(session.shots.run))
    score = session.shots.column("score").values
    view.slider.value = value = float(np.sort(score)[N // 2])
    assert f">{(score >= value).sum():,}<" in view.table.object
    buttons = {button.label: button for button in view.view.select(lambda v: hasattr(v, "clicks"))}
    buttons["select the accepted"].clicks += 1
    np.testing.assert_array_equal(session.selected, score >= value)
    buttons["select the rejected"].clicks += 1
    np.testing.assert_array_equal(session.selected, score < value)
    buttons["back to the stored threshold"].clicks += 1
    assert view.slider.value == session.shots.threshold


@given(arrays(np.float64, 40, elements=st.floats(-1e6, 1e6) | st.just(np.nan)), arrays(bool, 40))
def test_bins__count_what_numpy_counts(values: np.ndarray, mask: np.ndarray) -> None:
    bins = Bins(Column("a", "a", "1", values))
    there = values[mask & np.isfinite(values)]
    np.testing.assert_array_equal(bins.count(mask), np.histogram(there, bins.edges)[0])
    assert bins.n_without + bins.count(np.ones(40, bool)).sum() == 40


@given(arrays(np.int64, 30, elements=st.integers(-5, 20)), arrays(bool, 30))
def test_bins__of_few_whole_numbers_are_one_each(values: np.ndarray, mask: np.ndarray) -> None:
    bins = Bins(Column("a", "a", "1", values))
    found = dict(zip((bins.edges[:-1] + 0.5).tolist(), bins.count(mask).tolist(), strict=True))
    assert found == {n: int((values[mask] == n).sum()) for n in range(values.min(), values.max() + 1)}


def test_histogram__marked_ranges_select_as_gestures_do(session: Session) -> None:
    photons = session.shots.column("photon_count").values
    histogram, other = Histogram(session, "photon_count", True), Histogram(session, "c0", False)
    low, high = np.quantile(photons, [0.2, 0.6])
    for final in (False, True):
        geometry = {"type": "rect", "x0": low, "x1": high, "y0": 0, "y1": 1}
        histogram._marked(SelectionGeometry(None, geometry, final))
        inside = (photons >= low) & (photons <= high)
        np.testing.assert_array_equal(session.selected, inside if final else np.zeros(N, bool))
    session.combination = "subtract"
    histogram.mark(low, (low + high) / 2)
    np.testing.assert_array_equal(session.selected, (photons > (low + high) / 2) & (photons <= high))
    other.show()
    assert other.source.data["chosen"].sum() == session.selected.sum()
    assert other.source.data["all"].sum() == N


def test_gallery__pages_through_the_selection(session: Session) -> None:
    view = gallery(session, Pictures(session.shots.run), Watch(session))
    page = next(iter(view.select(lambda v: hasattr(v, "show_first_button"))))
    source = next(iter(view.select(pn.pane.Bokeh))).object.renderers[0].data_source

    def shown() -> list[int]:
        return [int(label.split()[0]) for label in source.data["label"]]

    assert page.count == -(-N // PAGE)
    page.value = 2
    assert shown()[0] == 2 * PAGE
    session.choose_where("shot >= 10 and shot < 45")
    assert (page.value, page.count) == (0, 2)
    assert "<b>35</b> selected shots on 2 pages" in texts(view)
    assert shown() == list(range(10, 40))
    page.value = 1
    assert shown() == list(range(40, 45))
    session.hidden = [meaning for _, meaning in session.classes(session.colour)]
    assert "as all that are selected are hidden" in texts(view)


def test_nearby__are_the_nearest_by_brute_force(session: Session) -> None:
    latent = open_dataset(session.shots.path, group="latent/pairs").latent.values.astype(float)
    found, away = nearby(session, 11)
    distance = np.linalg.norm(latent - latent[11], axis=1)
    distance[11] = np.inf
    assert found == np.argsort(distance, kind="stable")[: len(found)].tolist()
    np.testing.assert_allclose(away, distance[found], rtol=1e-5)


def test_lit__are_the_pixels_that_hold_photons(store: Path) -> None:
    picture = Pictures(open_run(store)).whole(1)
    left, bottom, width, height = picture.extent
    found = lit(picture)
    assert found["photons"].sum() == np.nansum(picture.values) == open_dataset(store).photon_count.values[1]
    ny, nx = picture.values.shape
    row, column = ((found[k] - low) / size * n for k, low, size, n in
                   (("y", bottom, height, ny), ("x", left, width, nx)))  # fmt: skip
    np.testing.assert_array_equal(picture.values[row.astype(int), column.astype(int)], found["photons"])


def test_rebuilt__stands_where_the_shot_is(store: Path) -> None:
    session, pictures = Session(store, "unsorted"), Pictures(open_run(store))
    view = RebuiltView(session, pictures)
    view.show(4)
    shown = {card.figure.title.text: card.source.data for card in view.cards}
    assert list(shown) == ["image", "2 of 2 components", "residual"]
    image, rebuilt, residual = (data["image"][0] for data in shown.values())
    # each is rounded by half a step at most
    step = view.cards[0].mappers["linear"].high / STEPS
    np.testing.assert_allclose(image - rebuilt, residual, atol=1.51 * step)
    view.slider.value = 0
    assert view.cards[1].figure.title.text == "mean"
    assert "<b>100.0%</b>" in texts(view.view)
    # bins twice or four times as large reach as far, or over the edge by less than one
    binned = pictures.binned(4)
    left, bottom, width, height = placed(view.space.rebuild(4).image, binned).extent
    assert (left, bottom) == binned.extent[:2]
    assert width >= binned.extent[2]
    assert height >= binned.extent[3]


@pytest.mark.parametrize("where", ["photon_count > 300 and c0 < 0", 'verdict == "single" or shot in (1, 2, 3)'])
def test_recipe__selects_the_same_shots_as_python_and_as_command(session: Session, where: str, tmp_path: Path) -> None:
    session.choose_where(where)
    wanted = chosen(session)
    assert 0 < len(wanted) < N
    names: dict[str, Any] = {}
    exec(python_text(session), names)
    np.testing.assert_array_equal(names["shots"], wanted)
    words = shlex.split(shell_text(session))
    assert words[0] == "xfeldask"
    words[words.index("shots.npy")] = str(tmp_path / "shots.npy")
    done = CliRunner().invoke(commands, words[1:])
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(np.load(tmp_path / "shots.npy"), wanted)


def test_recipe__says_what_has_no_words(session: Session) -> None:
    assert recipe(session) == "Nothing is selected."
    session.choose(session.shots.column("shot").values < 7)
    assert recipe(session).startswith("7 shots were selected by hand")
    session.choose_where('verdict == "single"')
    assert "&lt;" not in recipe(session)
    assert 'verdict == "single"' not in recipe(session)
    assert "verdict == &quot;single&quot;" in recipe(session)


def test_export__gives_the_selected_shots_and_the_plot(session: Session) -> None:
    view = TABS["export"](session, Pictures(session.shots.run), Watch(session))
    files = {file.filename: file for file in view.select(lambda v: hasattr(v, "filename"))}
    npy, csv, png = (next(f for name, f in files.items() if name.endswith(kind)) for kind in ("npy", "csv", "png"))
    assert (npy.disabled, csv.disabled, png.disabled) == (True, True, False)
    session.choose(np.arange(N) % 3 == 0)
    assert not npy.disabled
    wanted = list(range(0, N, 3))
    assert np.load(npy.callback()).tolist() == wanted
    assert pd.read_csv(csv.callback())["shot"].tolist() == wanted
    image = Image.open(png.callback())
    assert image.size == (1520, 1440)
    assert f"{len(wanted)} selected" in image.info["Description"]


@pytest.mark.parametrize("colour", ["density", "verdict", "photon_count", "rotation"])
def test_poster__is_drawn_in_any_colour(session: Session, colour: str) -> None:
    session.colour = colour
    image = Image.open(io.BytesIO(poster(session)))
    assert f"coloured by {colour}" in image.info["Description"]
    assert f"of {N} shots" in image.info["Description"]
    assert np.asarray(image.convert("L")).std() > 1


def test_parameters__hold_what_the_store_tells_and_are_escaped(session: Session) -> None:
    told = parameters(session)
    assert told["embedding"]["parameters"]["method"] == "ipca"
    assert told["embedding"]["decision"]["threshold"] == session.shots.threshold
    assert told["store"]["experiment"]["n_shots"] == N
    json.dumps(told)
    assert tree("<b>", {"a": [1, None], "c": {}}).count("<b>") == 0
    assert "none" in tree("x", None)


def test_statistics__are_ready_again_whatever_happened(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    view = Statistics(session, Pictures(session.shots.run), Watch(session))

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("<b>the checksum is invalid</b>")

    monkeypatch.setitem(Statistics._make.__globals__, "pattern_statistics", broken)
    view.start()
    view.thread.join(30)
    assert view.told.object == "&lt;b&gt;the checksum is invalid&lt;/b&gt;"
    assert (view.stop.disabled, view.bar.visible) == (True, False)


def test_statistics__of_the_selection_twice_and_cancelled(session: Session) -> None:
    view = Statistics(session, Pictures(session.shots.run), Watch(session))
    photons = open_dataset(session.shots.path).photons.values.astype(float)
    session.zoom = "whole detector"
    for where in ("shot < 9", "shot >= 150"):
        session.choose_where(where)
        view.start()
        view.thread.join(30)
        shown = view.cards["total"].source.data["image"][0]
        assert np.nansum(shown) == photons[session.selected].sum()
        assert f"{session.selected.sum()} patterns" in view.told.object
        assert view.stop.disabled
    view.start()
    view.stop.clicks += 1
    view.thread.join(30)
    assert "cancelled" in view.told.object or f"{session.selected.sum()} patterns" in view.told.object
    assert view.stop.disabled
    assert np.nansum(view.cards["total"].source.data["image"][0]) == photons[session.selected].sum()
    whole = view.cards["total"].source.data["dw"][0]
    session.zoom = "photons"
    assert view.cards["total"].source.data["dw"][0] < whole


def test_tabs__ask_for_no_more_width_than_a_window_of_900_pixels_has(session: Session) -> None:
    pictures = Pictures(session.shots.run)
    for name, tab in TABS.items():
        root = tab(session, pictures, Watch(session)).get_root()
        assert max(getattr(model, "min_width", None) or 0 for model in root.references()) <= 880, name
