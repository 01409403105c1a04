"""What one person looks at, without a browser."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.explorer.few_shots import N, embedded, few_shots
from tests.tiny import embed_tiny
from xfeldask import embed, simulate
from xfeldask.errors import InputError, MissingFileError, UnknownNameError
from xfeldask.explorer.model.drawing import Points, draw, first_range
from xfeldask.explorer.model.outline import Outline
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session, told
from xfeldask.explorer.view.bar import number
from xfeldask.store.choosing.columns import Column
from xfeldask.store.results.labels import NO_LABEL, write_labels
from xfeldask.store.run import Run, open_dataset, open_run

ATOMS = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("session") / "run.zarr"
    simulate(path, particle=ATOMS, detector="square-32", beam=BRIGHT, n_shots=60, seed=2,
             hits={0: 0.2, 1: 0.5, 2: 0.3}, progress=False)  # fmt: skip
    embed(path, sort=None, progress=False)
    return path


@pytest.fixture
def session(made):
    return Session(made)


def test_session__begins_with_what_the_store_has(session):
    assert (session.x, session.y) == ("c0", "c1")
    assert session.embedding == "ipca"
    assert session.colour == "density"
    assert not session.selected.any()
    assert session.visible.all()


def test_session__hides_classes_of_what_is_coloured_by(session):
    session.colour = "hit"
    session.hidden = ["blank"]
    n = open_dataset(session.shots.path, chunks=None).n_particles.values
    np.testing.assert_array_equal(session.visible, n > 0)
    assert session.counts("hit") == {"blank": (n == 0).sum(), "single": (n == 1).sum(), "multiple": (n == 2).sum()}


@pytest.mark.parametrize(
    ("combination", "expected"),
    [
        ("replace", lambda a, b: b),
        ("add", lambda a, b: a | b),
        ("subtract", lambda a, b: a & ~b),
        ("intersect", lambda a, b: a & b),
    ],
)
def test_choose__combines_as_it_is_told(session, combination, expected):
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 60)) < 0.5
    session.choose(a)
    session.combination = combination
    session.choose(b)
    np.testing.assert_array_equal(session.selected, expected(a, b))
    with pytest.raises(ValueError, match="combination"):
        session.combination = "divide"


def test_choose__leaves_hidden_shots_out(session):
    session.colour, session.hidden = "hit", ["blank"]
    session.choose(np.ones(60, bool))
    np.testing.assert_array_equal(session.selected, session.visible)


def test_choose_where__takes_words_and_refuses_others_without_harm(session):
    session.choose_where("photon_count > 100 and hit == 'single'")
    ds = open_dataset(session.shots.path, chunks=None)
    expected = (ds.photon_count.values > 100) & (ds.n_particles.values == 1)
    np.testing.assert_array_equal(session.selected, expected)
    with pytest.raises(UnknownNameError, match="photon_count"):
        session.choose_where("photon_counts > 1")
    np.testing.assert_array_equal(session.selected, expected)
    assert session.where == "photon_count > 100 and hit == 'single'"
    session.choose(expected)
    assert session.where == ""


def test_invert__twice_is_nothing(session):
    session.choose_where("c0 > 0")
    before = session.selected.copy()
    session.invert()
    np.testing.assert_array_equal(session.selected, ~before)
    np.testing.assert_array_equal(session.matching(session.where), ~before)
    session.invert()
    np.testing.assert_array_equal(session.selected, before)


def test_step__goes_around_the_selection(session):
    session.choose_where("shot == 3 or shot == 10 or shot == 50")
    assert [session.step(1) for _ in range(4)] == [3, 10, 50, 3]
    assert [session.step(-1) for _ in range(3)] == [50, 10, 3]
    session.shot = 20
    assert session.step(-1) == 10
    assert session.jump(np.random.default_rng(0)) in (3, 10, 50)


def test_chosen__is_what_is_visible_where_all_that_is_selected_is_hidden(session):
    assert session.chosen.all()
    session.choose_where('hit == "single"')
    np.testing.assert_array_equal(session.chosen, session.selected)
    session.colour, session.hidden = "hit", ["single"]
    np.testing.assert_array_equal(session.chosen, session.visible)
    assert session.step(1) == session.labels.queue(session.shots.n_shots).min() == np.flatnonzero(session.visible)[0]
    session.hidden = ["multiple"]
    np.testing.assert_array_equal(session.chosen, session.selected)


def test_step__stays_where_there_is_nothing(session):
    session.colour, session.hidden = "hit", ["blank", "single", "multiple"]
    assert session.step(1) is None
    assert session.jump(np.random.default_rng(0)) is None
    assert session.shot is None


def test_save__names_a_selection_in_the_store_only_if_told(made, session):
    session.choose_where("photon_count > 200")
    session.save("bright")
    session.choose_where("not bright")
    np.testing.assert_array_equal(session.selected, session.shots.column("photon_count").values <= 200)
    assert "bright" not in Session(made).quantities
    session.save("dim", write=True)
    again = Session(made, where="dim")
    np.testing.assert_array_equal(again.selected, session.selected)
    session.choose_where("c0 > 0")
    session.save("dim", write=True)
    np.testing.assert_array_equal(Session(made, where="dim").selected, session.selected)
    assert again.selected.sum() != session.selected.sum()


@pytest.mark.parametrize("name", ["", "two words", "../up", "1st", "x" * 65, "photon_count", "<b>"])
def test_save__refuses_names_that_cannot_be(session, name):
    with pytest.raises(InputError):
        session.save(name)


def test_session__keeps_what_it_can_of_another_address(made):
    session = Session(made, x="gone", y="photon_count", colour="nothing", shot=10_000, where="c0 > 0")
    assert (session.x, session.y, session.shot) == ("c0", "photon_count", None)
    assert session.colour == "density"
    np.testing.assert_array_equal(session.selected, session.shots.column("c0").values > 0)


def test_session__says_what_is_wrong_with_a_store(tmp_path):
    with pytest.raises(MissingFileError, match="no store at"):
        Session(tmp_path / "none.zarr")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(InputError, match="not a Zarr store"):
        Session(tmp_path / "empty.zarr")


def test_told__gives_units_and_meanings():
    column = Column("a", "photons", "count", np.array([1234, 5]))
    assert told(column, 0, {}) == "1,234"
    assert told(column, 1, {5: "five"}) == "five"
    assert told(Column("a", "x", "m", np.array([np.nan])), 0, {}) == "none"
    with pytest.raises(InputError, match="0 to 1, got 2"):
        told(column, 2, {})


def test_pictures__hold_what_the_store_holds(made):
    pictures, ds = Pictures(open_run(made)), open_dataset(made, chunks=None)
    for shot in (0, 17, 59):
        np.testing.assert_array_equal(pictures.binned(shot).values, ds.image.values[shot])
        np.testing.assert_array_equal(pictures.whole(shot).values, ds.xfel.assemble(ds.photons[shot]))
    left, bottom, width, height = pictures.whole(0).extent
    s = np.abs(ds.q.values[..., :2]).max() * 10
    assert left == pytest.approx(-s, rel=0.1)
    assert left + width == pytest.approx(s, rel=0.1)
    assert pictures.binned(0).extent == pytest.approx((left, bottom, width, height), rel=0.05)


def points(n=500, colours=None):
    x, y = np.random.default_rng(0).normal(size=(2, n)).astype(np.float32)
    value = None if colours is None else (x > 0).astype(int)
    return Points(x, y, value, colours or {}, ("#000000", "#0000ff"))


def test_draw__tells_what_is_outside():
    everything = np.ones(500, bool)
    some = points()
    found = draw(some, everything, ~everything, (0.0, 1.0), (-1.0, 1.0), 60, 40)
    inside = (some.x >= 0) & (some.x <= 1) & (np.abs(some.y) <= 1)
    assert found.rgba.shape == (40, 60, 4)
    assert (found.drawn, found.shown) == (inside.sum(), 500)


def test_draw__puts_a_point_where_it_is_in_its_colour():
    x, y = np.array([0.25, 0.75], np.float32), np.array([0.75, 0.25], np.float32)
    both = Points(x, y, np.array([0, 7]), {0: "#ff0000", 7: "#0000ff"}, ("#000000",))
    image = draw(both, np.ones(2, bool), np.zeros(2, bool), (0, 1), (0, 1), 100, 100).rgba
    assert image[25, 25, 0] > 200
    assert image[25, 25, 2] < 50
    assert image[75, 75, 2] > 200
    assert image[75, 75, 0] < 50
    assert image[25, 75, 3] == 0


def test_draw__leaves_the_others_grey_behind_a_selection():
    some = points(colours={0: "#ff0000", 1: "#0000ff"})
    everything = np.ones(500, bool)
    image = draw(some, everything, some.x > 0, (-4, 4), (-4, 4), 80, 80).rgba
    left = image[:, :38][image[:, :38, 3] > 0][:, :3].astype(int)
    assert len(left)
    assert (np.ptp(left, axis=1) < 12).mean() > 0.99
    right = image[:, 42:][image[:, 42:, 3] > 0]
    assert (right[:, 2] > right[:, 0]).mean() > 0.9


def test_first_range__survives_nothing_and_one_value():
    assert first_range(np.array([np.nan])) == (-1.0, 1.0)
    low, high = first_range(np.array([5.0, 5.0]))
    assert low < 5 < high


@pytest.fixture(scope="module")
def two_embeddings(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("two") / "run.zarr"
    shutil.copytree(made, path)
    embed(path, name="few", n_components=2, sort=None, progress=False)
    embed(path, name="other", n_components=3, seed=5, features="unit_root", sort=None, progress=False)
    return path


def test_reopen__drops_words_that_another_embedding_does_not_understand(two_embeddings):
    session = Session(two_embeddings, "ipca")
    session.choose_where("c2 > 0")
    assert session.selected.any()
    session.reopen("few")
    assert session.where == ""
    with pytest.raises(UnknownNameError):
        Session(two_embeddings, "few", where="c2 > 0")


def test_look_again__keeps_what_a_person_made_as_more_shots_are_embedded(tmp_path):
    run = Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"))
    write_labels(run, "anna", {2: "multiple", 19: "single"})
    embedded(run, 16)
    looked = Session(run.path)
    field = number(looked)
    assert (looked.shots.n_shots, field.end) == (16, 15)
    looked.choose_where("shot < 5")
    looked.save("first")
    looked.labels.sign("anna")
    looked.labels.give(5, "single")
    looked.colour = "first"
    looked.choose_where("first")
    embedded(run, N)
    looked.look_again()
    assert (looked.shots.n_shots, field.end) == (N, N - 1)
    assert (looked.colour, looked.where, looked.selections) == ("first", "first", {"first": 5})
    assert np.flatnonzero(looked.selected).tolist() == list(range(5))
    label = looked.shots.column("label_anna")
    assert {shot: dict(label.classes)[label.values[shot]] for shot in np.flatnonzero(label.values != NO_LABEL)} == {
        2: "multiple", 5: "single", 19: "single",
    }, "those that are not in the store, too"  # fmt: skip


def test_reopen__of_fewer_shots_forgets_nothing_of_the_others(tmp_path):
    run = embed_tiny(Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr")), "second", None)
    embedded(run, 16)
    looked = Session(run.path, "second")
    looked.choose_where("shot > 13")
    looked.save("last")
    for name, due in (("pca", [14, 15]), ("second", [*range(14, N)])):
        looked.reopen(name)
        looked.recall("last")
        assert np.flatnonzero(looked.selected).tolist() == due


def test_undo__in_another_embedding_brings_back_shots_and_not_what_was_drawn_around_them(two_embeddings):
    session = Session(two_embeddings, "ipca")
    box = Outline.drawn("box", ("c0", "c1"), [[-1e9, -1e9], [0, 1e9]], (1e-3, 1e-3))
    session.draw(box)
    inside = session.selected
    assert session.outline
    session.choose(np.zeros_like(inside))
    session.undo()
    assert session.outline
    session.choose(np.zeros_like(inside))
    session.reopen("other")
    session.undo()
    np.testing.assert_array_equal(session.selected, inside)
    assert session.outline == ""
