"""Labels of one person without a browser, and the bench that gives them."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.explorer.few_shots import N, few_shots, pictures, session, texts
from xfeldask.errors import InputError
from xfeldask.explorer.model.labels import doubt
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs import teaching
from xfeldask.explorer.tabs.bench import KEYS, NEXT, Bench
from xfeldask.explorer.tabs.teaching import Teaching, refusal
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.store.labels import LABELS, NO_LABEL, lessons, read_labels, write_labels
from xfeldask.store.run import Run
from xfeldask.verbs.verify import verify


@pytest.fixture
def run(tmp_path):
    return Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"))


def bench_of(looked):
    return Bench(looked, pictures(), Watch(looked))


def test_labels__are_undone_and_redone_in_order():
    labels = session().labels
    for shot, label in ((3, "single"), (5, "multiple"), (3, "other")):
        labels.give(shot, label)
    assert labels.counts == {"single": 0, "multiple": 1, "blank": 0, "other": 1}
    assert [labels.undo(), labels.of(3), labels.undo(), labels.of(5)] == [3, "single", 5, None]
    assert [labels.redo(), labels.of(5), labels.redo(), labels.of(3)] == [5, "multiple", 3, "other"]
    assert labels.redo() is None
    labels.undo()
    labels.give(7, "blank")
    assert labels.redo() is None, "what was taken back before another label is gone"
    assert labels.csv() == b"shot,label\n3,single\n5,multiple\n7,blank\n"


def test_queue__holds_the_shots_that_the_rule_is_least_sure_of_first():
    looked = session()
    away = doubt(looked.shots)
    wanted = np.argsort(away, kind="stable")
    np.testing.assert_array_equal(looked.labels.queue(N), wanted)
    looked.labels.give(int(wanted[0]), "single")
    assert looked.labels.queue(1)[0] == wanted[1]
    looked.choose(np.arange(N) == wanted[4])
    assert looked.labels.queue(N).tolist() == [wanted[4]]


def test_labels__are_a_quantity_to_be_coloured_and_selected_by():
    looked = session()
    looked.labels.give(4, "multiple")
    looked.colour = "label_me"
    assert looked.counts("label_me")["multiple"] == 1
    looked.choose_where('label_me == "multiple"')
    assert np.flatnonzero(looked.selected).tolist() == [4]


def test_labels__of_a_person_are_kept_in_the_store_and_taken_up_again(run):
    write_labels(run, "anna", {1: LABELS["single"], 2: LABELS["other"]})
    looked = Session(run.path)
    looked.labels.give(2, "blank")
    looked.labels.sign("anna")
    assert [looked.labels.of(shot) for shot in (1, 2, 3)] == ["single", "blank", None]
    assert "label_anna" in looked.quantities
    with pytest.raises(InputError, match="letters, digits and underscores"):
        looked.labels.sign("Anna K.")
    assert verify(run.path, progress=False).ok


@pytest.mark.parametrize("changes", [{N: 1}, {-1: 1}, {0: 4}])
def test_labels__that_cannot_be_are_refused(run, changes):
    with pytest.raises(InputError, match="labels are"):
        write_labels(run, "anna", changes)
    assert read_labels(run) == {}


@pytest.mark.parametrize("allowed", [True, False])
def test_bench__labels_by_keys_and_goes_on_at_once(run, allowed):
    looked = Session(run.path, may_write=allowed)
    bench = bench_of(looked)
    first = looked.shot
    assert first == looked.labels.queue(1)[0]
    assert [int(label) for label in bench.strip.source.data["label"]] == looked.labels.queue(NEXT + 1)[1:].tolist()
    bench.sign("anna")
    seen = []
    for key in KEYS:
        seen.append(looked.shot)
        bench.keys._handle_msg(key)
    assert [looked.labels.of(shot) for shot in seen] == list(KEYS.values())
    assert looked.shot not in seen
    bench.keys._handle_msg("u")
    assert looked.shot == seen[-1]
    bench.keeper.wait()
    stored = run.reopened().labels
    assert ("anna" in stored) == allowed
    if allowed:
        wanted = np.full(N, NO_LABEL)
        wanted[seen[:-1]] = [LABELS[label] for label in list(KEYS.values())[:-1]]
        np.testing.assert_array_equal(stored["anna"], wanted)
    assert ("in the store" in bench.counts.object) == allowed
    bench.keys._handle_msg("y")
    bench.keeper.wait()
    assert looked.labels.of(seen[-1]) == "other"


def test_bench__does_not_hear_keys_while_its_tab_is_closed():
    looked = session()
    watch = Watch(looked)
    bench = Bench(looked, pictures(), watch)
    watch.close()
    bench.keys._handle_msg("1")
    assert looked.labels.n == 0


def test_lessons__are_of_hits_alone():
    given = np.array([*LABELS.values(), NO_LABEL], np.int8)
    assert dict(zip([*LABELS, "none"], lessons(given).tolist(), strict=True)) == {
        "single": 1, "multiple": 0, "blank": -1, "other": 0, "none": -1,
    }  # fmt: skip


def test_teaching__is_refused_in_a_sentence(run):
    assert "learns from no labels" in refusal(Session(run.path, may_write=True))


def test_teaching__gives_the_labels_to_embed_and_shows_what_came_of_it(stores, tmp_path, monkeypatch):
    path = shutil.copytree(stores["whole"], tmp_path / "run.zarr")
    looked = Session(path, "pairs")
    assert "--allow-write" in refusal(looked)
    looked.may_write = True
    assert "Label at least one" in refusal(looked)
    kinds = looked.shots.column("hit").values
    singles, multiples = (np.flatnonzero(kinds == kind)[:3] for kind in (1, 2))
    for shot in (*singles, *multiples):
        looked.labels.give(int(shot), "single" if shot in singles else "multiple")
    assert refusal(looked) == ""
    asked = []

    def embedded(store, **told):
        asked.append(told)
        shutil.copytree(store / "latent" / "pairs", store / "latent" / told["name"])
        told["progress"]("learning to sort", 1, 1, "rule")

    monkeypatch.setattr(teaching, "embed", embedded)
    view = Teaching(looked)
    view.start()
    view.thread.join(60)
    assert looked.embedding == "pairs_taught"
    (told,) = asked
    assert (told["sort"], told["method"], told["n_components"]) == ("pairs", "ipca", 3)
    np.testing.assert_array_equal(np.flatnonzero(told["labels"] == 1), singles)
    np.testing.assert_array_equal(np.flatnonzero(told["labels"] == 0), multiples)
    accepted = looked.shots.column("is_single").values
    agree = accepted[singles].sum() + (~accepted[multiples]).sum()
    shown = texts(view.view)
    assert f"{agree} of 6" in shown
    assert shown.count(f"{accepted.sum()} of 400") == 2
    decision = looked.shots.run.embedding("pairs").decision
    assert f"{decision.expected_purity:.2%}" in shown
