"""Labels of one person without a browser, and the bench that gives them."""

from __future__ import annotations

import shutil
from importlib import import_module

import numpy as np
import pytest

from tests.explorer.few_shots import N, few_shots, pictures, session, texts
from tests.explorer.more_store import with_more
from xfeldask.errors import InputError
from xfeldask.explorer.model.labels import doubt
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.bench import KEYS, NEXT, Bench
from xfeldask.explorer.tabs.teaching import Teaching, about, refusal
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.sidebar import chips
from xfeldask.schema import OTHER
from xfeldask.sorting.decision import Decision
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.labels import LABELS, MOST, NO_LABEL, lessons, write_labels
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
    assert [labels.undo(), labels.of(3), labels.undo(), labels.of(5)] == [[3], "single", [5], None]
    assert [labels.redo(), labels.of(5), labels.redo(), labels.of(3)] == [[5], "multiple", [3], "other"]
    assert labels.redo() == []
    labels.undo()
    labels.give(7, "blank")
    assert labels.redo() == [], "what was taken back before another label is gone"
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


def test_queue__begins_with_the_shots_whose_labels_say_most_of_kinds(run, monkeypatch):
    monkeypatch.setattr(Embedding, "decision", property(lambda _: Decision(next_to_label=(9, 3, N + 5))))
    looked = Session(run.path)
    rest = [shot for shot in np.argsort(doubt(looked.shots), kind="stable").tolist() if shot not in (3, 9)]
    assert looked.labels.queue(N).tolist() == [9, 3, *rest]


def test_labels__are_a_quantity_to_be_coloured_and_selected_by():
    looked = session()
    looked.labels.give(4, "multiple")
    looked.colour = "label_me"
    assert looked.counts("label_me")["multiple"] == 1
    looked.choose_where('label_me == "multiple"')
    assert np.flatnonzero(looked.selected).tolist() == [4]


def test_labels__have_the_name_of_the_person_who_signs_and_no_other():
    looked = session()
    looked.labels.give(4, "multiple")
    looked.colour = "label_me"
    looked.labels.sign("anna")
    assert looked.colour == "label_anna"
    assert looked.counts("label_anna")["multiple"] == 1
    assert "label_me" not in looked.quantities
    looked.labels.give(5, "single")
    assert looked.counts(looked.colour)["single"] == 1


def test_labels__of_a_person_are_kept_in_the_store_and_taken_up_again(run):
    write_labels(run, "anna", {1: "single", 2: "other"})
    looked = Session(run.path)
    looked.labels.give(2, "blank")
    looked.labels.sign("anna")
    assert [looked.labels.of(shot) for shot in (1, 2, 3)] == ["single", "blank", None]
    assert "label_anna" in looked.quantities
    with pytest.raises(InputError, match="letters, digits and underscores"):
        looked.labels.sign("Anna K.")
    assert verify(run.path, progress=False).ok


def test_labels__of_ones_own_classes_mean_the_same_whatever_numbers_the_store_has_for_them(run):
    write_labels(run, "anna", {1: "dimer", 2: "ice"})
    looked = Session(run.path)
    for name in ("smear", "ice"):
        looked.labels.name_class(name)
    looked.labels.give(4, "ice")
    looked.labels.sign("anna")
    assert [looked.labels.of(shot) for shot in (1, 2, 3, 4)] == ["dimer", "ice", None, "ice"]
    assert looked.labels.csv() == b"shot,label\n1,dimer\n2,ice\n4,ice\n"
    looked.choose_where('label_anna == "ice"')
    assert np.flatnonzero(looked.selected).tolist() == [2, 4]
    with pytest.raises(InputError, match="letters, digits and underscores"):
        looked.labels.name_class("<b>")


def test_labels__of_one_person_are_not_those_of_who_signs_next(run):
    write_labels(run, "anna", {1: "single", 2: "other"})
    looked = Session(run.path)
    labels = looked.labels
    labels.sign("anna")
    labels.give(4, "single")
    labels.sign("bob")
    assert (labels.n, labels.given, labels.undo()) == (0, [], [])
    assert (lessons(labels.values) == -1).all(), "a rule would learn from them"
    labels.give(5, "blank")
    assert labels.csv() == b"shot,label\n5,blank\n"
    labels.sign("anna")
    assert labels.csv() == b"shot,label\n1,single\n2,other\n4,single\n"
    assert (labels.undo(), labels.of(4)) == ([4], None)


def test_bench__writes_for_a_person_who_signs_next_what_that_person_labels_alone(run):
    looked = Session(run.path, may_write=True)
    bench = bench_of(looked)
    bench.sign("anna")
    bench.give("single")
    bench.sign("bob")
    assert "<b>0 labels</b>" in bench.counts.object
    bench.give("multiple")
    bench.keeper.wait()
    assert {name: int((label != NO_LABEL).sum()) for name, label in run.reopened().labels.items()} == {
        "anna": 1, "bob": 1,
    }  # fmt: skip
    bench.sign("anna")
    bench.undo()
    bench.keeper.wait()
    assert bench.labels.n == 0, "what is taken back is what the page gave, though the store has it"


@pytest.mark.parametrize("taken_back", [False, True])
def test_undo__of_a_label_that_was_given_before_there_was_a_name_leaves_that_of_the_store(run, taken_back):
    write_labels(run, "anna", {1: "single", 2: "other"})
    looked = Session(run.path)
    for shot, label in ((2, "single"), (2, "blank"), (3, "blank")):
        looked.labels.give(shot, label)
    if taken_back:
        looked.labels.undo()
    looked.labels.sign("anna")
    assert looked.labels.given == ([2] if taken_back else [2, 3])
    while looked.labels.undo():
        pass
    assert looked.labels.known_as([1, 2, 3]) == {1: "single", 2: "other", 3: None}
    assert [looked.labels.redo(), looked.labels.redo(), looked.labels.of(2)] == [[2], [2], "blank"]


def test_labels__of_a_group_are_one_step():
    labels = session().labels
    labels.give(2, "single")
    labels.give([1, 2, 3], "other")
    assert labels.counts["other"] == 3
    assert (labels.undo(), labels.of(2), labels.n) == ([1, 2, 3], "single", 1)
    assert (labels.redo(), labels.counts["other"]) == ([1, 2, 3], 3)


def test_chips__follow_a_class_that_is_named_while_labels_are_the_colour():
    looked = session()
    looked.labels.give(1, "single")
    looked.colour = "label_me"
    box = chips(looked)
    looked.labels.name_class("ice")
    looked.labels.give(2, "ice")
    assert list(box[0].options)[-1] == "✕ ice (1)"


def test_bench__goes_on_to_the_next_shot_when_a_label_is_given_again():
    looked = session()
    bench = bench_of(looked)
    first = looked.shot
    bench.give("single")
    second = looked.shot
    bench.undo()
    assert looked.shot == first
    bench.redo()
    assert (looked.shot, looked.labels.of(first)) == (second, "single")


def test_bench__has_a_button_and_a_key_for_each_class_that_the_person_names(run):
    looked = Session(run.path, may_write=True)
    bench = bench_of(looked)
    bench.keys._handle_msg("3")
    assert looked.labels.n == 0, "a key of no class yet"
    bench.name_class("my ice")
    assert "letters, digits and underscores" in bench.fault.object
    for name in ("ice", "dimer"):
        bench.name_class(name)
    assert bench.fault.object == ""
    assert [button.label for button in bench.buttons][:-2] == [
        "single (1)", "multiple (2)", "blank (0)", "other (x)", "ice (3)", "dimer (4)",
    ]  # fmt: skip
    bench.sign("anna")
    first = looked.shot
    bench.keys._handle_msg("4")
    assert looked.labels.of(first) == "dimer"
    chosen = sorted({*range(3), first})
    looked.choose_where(f"shot < 3 or shot == {first}")
    bench.group.value = "ice"
    # what has been labelled stays as it is
    given = [shot for shot in chosen if shot != first]
    assert bench.give_all.label == f"label {len(given)} without one"
    bench.give_all.clicks += 1
    bench.keeper.wait()
    stored = run.reopened().labels["anna"]
    value = dict(zip(stored.attrs["flag_meanings"].split(), stored.attrs["flag_values"], strict=True))
    assert np.flatnonzero(stored == value["ice"]).tolist() == given
    assert f"ice {len(given)}" in bench.counts.object
    assert bench.give_all.disabled
    bench.keys._handle_msg("u")
    bench.keeper.wait()
    assert (run.reopened().labels["anna"] == NO_LABEL).sum() == N - 1
    assert bench.table.filename == f"{run.path.stem}-labels-anna.csv"
    assert "the store has labels by anna: enter that name" in bench_of(Session(run.path)).counts.object
    assert "enter that name" not in bench.counts.object
    # those who open the page later
    later = Session(run.path)
    later.labels.sign("anna")
    assert "dimer" in later.labels.classes


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


def test_bench__says_that_labels_are_not_in_the_store_until_they_are(run, monkeypatch):
    looked = Session(run.path, may_write=True)
    bench = bench_of(looked)

    def full(*_):
        raise InputError("the disk is full")

    bench.sign("anna")
    with monkeypatch.context() as patch:
        patch.setattr("xfeldask.explorer.model.labels.write_labels", full)
        bench.give("single")
        bench.keeper.wait()
    assert bench.fault.object == "the disk is full"
    assert "(not all in the store)" in bench.counts.object
    bench.give("blank")
    bench.keeper.wait()
    assert bench.fault.object == ""
    assert "(in the store)" in bench.counts.object


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
    assert not lessons(np.arange(OTHER + 1, MOST + 1, dtype=np.int8)).any(), "hits other than single ones"


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

    monkeypatch.setattr(import_module("xfeldask.verbs.embed"), "embed", embedded)
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
    view.offer()
    shown = texts(view.view)
    assert "taught from 6 labels; this is pairs_taught now" in shown
    assert f"{agree} of 6" in shown
    assert shown.count(f"{accepted.sum()} of 400") == 2
    decision = looked.shots.run.embedding("pairs").decision
    assert f"{decision.expected_purity:.2%}" in shown


@pytest.mark.parametrize("told", [{"purity_by_peaks": 0.4}, {"doubtful_kind": 12}])
def test_about__tells_no_purity_where_the_decision_says_that_it_is_unknown(told):
    accepted, probability = np.arange(10) < 9, np.where(np.arange(10) < 9, 0.99, 0.0)
    for known in (probability, None):
        row = about("pairs", (accepted, Decision(threshold=0.5, **told), known), np.full(10, -1, np.int8))
        assert row[2] == "unknown"


def test_teaching__says_that_kinds_are_not_taken_along(tmp_path):
    looked = Session(with_more(tmp_path / "run.zarr"))
    view = Teaching(looked)
    assert "kinds found beside pca are not taken along: pca_taught accepts single hits of any kind" in texts(view.view)
    # as teaching leaves it, and then with kinds of its own
    embedding, run = looked.shots.run.embedding("pca"), looked.shots.run
    for parts, told in (({}, "xfeldask kinds --name pca_taught"), (embedding.parts(), "teach again drops the kinds")):
        Embedding(run, "pca_taught").publish(embedding.stored().load(), parts)
        looked.reopen("pca_taught")
        view.offer()
        assert told in texts(view.view)
    assert "kinds" not in texts(Teaching(session()).view)


def test_bench__says_that_the_store_is_gone(tmp_path):
    path = shutil.copytree(few_shots().path, tmp_path / "run.zarr")
    bench = bench_of(Session(path, "pca"))
    shutil.rmtree(path)
    bench.give("single")
    assert "run.zarr" in bench.teaching.told.object
    assert bench.teaching.make.disabled
