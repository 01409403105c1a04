"""`find_kinds` on a store: what is written, what is decided, what is refused."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.once import Once
from xfeldask import embed, find_kinds, ingest, open_dataset, open_run, project, simulate, sort, verify
from xfeldask.config import Experiment
from xfeldask.errors import InputError, MissingFileError, XfeldaskWarning
from xfeldask.orient.models import random_models
from xfeldask.physics.orientations import angle_between, symmetry_group
from xfeldask.report.decision_facts import decision_told, verdict_told
from xfeldask.schema import BLANK, MULTIPLE, OTHER, SINGLE
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.kinds.found import Growth, Kinds
from xfeldask.sorting.kinds.strangers import Sought
from xfeldask.verbs.parts import kinds_sought, strangers_found

N = 390
RUN = {"particle": "chaperonin", "detector": "square-64", "n_shots": N, "hits": {0: 0.05, 1: 0.95}, "seed": 3}


@pytest.fixture(scope="module")
def sorted_store(once: Once) -> Path:
    def make(path: Path) -> None:
        simulate(path, **RUN, progress=False)
        embed(path, sort="elliptic_envelope", contamination=0.15, progress=False)
        embed(path, name="pairs", max_singles_lost=0.05, progress=False)

    return once("for kinds", make)


@pytest.fixture
def store(sorted_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, whose kinds are two intensities of noise: what is found is tested elsewhere."""

    def grow(frames, pixels, *, labels, most, seed, by, tell):
        tell()
        models = random_models(frames, pixels, 8.0, most, seed)
        return Kinds(models, np.arange(most), 8.0, growths=(Growth(True, 9, 3.0, 20.0, 0.3),))

    def correct(frames, pixels, kinds, likelihood, *, seed, by, tell):
        tell()
        return np.zeros(len(kinds))

    monkeypatch.setattr(kinds_sought, "grow_kinds", grow)
    monkeypatch.setattr(kinds_sought, "corrections", correct)
    return Path(shutil.copytree(sorted_store, tmp_path / "run.zarr"))


def test_find_kinds__finds_the_same_in_blocks_of_any_size(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = find_kinds(store, "ipca", most=2, progress=False).load()
    monkeypatch.setattr(kinds_sought, "BLOCK", 130)
    cut = find_kinds(store, "ipca", most=2, progress=False).load()
    for name in ("kind", "probability_wanted", "misfit"):
        np.testing.assert_array_equal(cut[name].values, whole[name].values)


def test_find_kinds__tells_the_kind_of_each_single_hit(store: Path) -> None:
    before = open_dataset(store, group="latent/ipca", chunks=None).load()
    found = find_kinds(store, "ipca", most=2, progress=False).load()
    single = before.is_single.values
    np.testing.assert_array_equal(found.kind.values >= 0, single)
    np.testing.assert_array_equal(np.isnan(found.probability_wanted.values), ~single)
    np.testing.assert_array_equal(found.is_single.values, found.kind.values == 0)
    np.testing.assert_array_equal(found.verdict.values[found.kind.values == 0], SINGLE)
    np.testing.assert_array_equal(found.verdict.values[found.kind.values == 1], OTHER)
    assert -1 in found.kind.values
    assert "kinds" not in open_run(store).embeddings["ipca"].facts()  # they were asked for
    decision = json.loads(found.attrs["decision"])
    assert decision["kinds"] == [int((found.kind.values == k).sum()) for k in (0, 1)]
    assert decision["rarest_kind"] is None  # as many were found as were sought
    asked = found.sel(shot=decision["next_to_label"])
    assert (asked.kind.values >= 0).all()
    assert f"shots {asked.shot.values[0]}, " in decision_told(Decision.from_json(found.attrs["decision"]))["label next"]
    assert verify(store, progress=False).ok


def test_find_kinds__judges_by_what_drawn_shots_correct(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = find_kinds(store, "ipca", most=2, progress=False).load()
    monkeypatch.setattr(kinds_sought, "corrections", lambda *_, **__: np.array([0.0, 1.0]))
    found = find_kinds(store, "ipca", most=2, progress=False).load()
    single = before.kind.values >= 0
    assert (found.probability_wanted < before.probability_wanted).values[single].mean() > 0.9
    assert 0 < (found.kind == 0).sum() < (before.kind == 0).sum()
    assert np.abs(found.misfit - before.misfit).values[single].max() < 0.2


def test_find_kinds__describes_each_kind(store: Path) -> None:
    found = find_kinds(store, "ipca", most=2, progress=False)
    told = open_dataset(store, group="latent/ipca/kinds", chunks=None)
    assert told.intensity.dims == ("kind", "u", "v", "w")
    images = open_dataset(store).image.values
    for kind in (0, 1):
        shots = found.kind.values == kind
        assert told.shots.values[kind] == shots.sum()
        expected = images[shots].mean(axis=0) if shots.any() else 0 * images[0]
        np.testing.assert_allclose(told.mean_image.values[kind], expected, rtol=1e-5)
        assert told.mean_photons.values[kind] == pytest.approx(expected.sum(), rel=1e-5)
    assert told.attrs["tried"][0]["gain"] == 20.0
    decision = Decision.from_json(found.attrs["decision"])
    there = told.shots.values > 0
    assert [value is not None for value in decision.kind_photons] == there.tolist()
    assert decision.kind_photons[0] == pytest.approx(told.mean_photons.values[0])


def test_find_kinds__again_begins_from_the_same_single_hits(store: Path) -> None:
    first = find_kinds(store, "ipca", most=2, progress=False).load()
    other = find_kinds(store, "ipca", most=2, wanted=1, progress=False).load()
    np.testing.assert_array_equal(other.kind, first.kind)
    np.testing.assert_array_equal(other.is_single.values, first.kind.values == 1)
    both = other.probability_wanted + first.probability_wanted
    np.testing.assert_allclose(both, np.where(first.kind < 0, np.nan, 1), atol=1e-4)


def test_find_kinds__again_knows_what_the_rule_said_of_the_kind_that_was_not_wanted(store: Path) -> None:
    ruled = open_dataset(store, group="latent/pairs", chunks=None).load()
    first = find_kinds(store, "pairs", most=2, progress=False).load()
    other = find_kinds(store, "pairs", most=2, wanted=1, progress=False).load()
    single = ruled.is_single.values
    for found in (first, other):
        expected = np.where(single, ruled.probability_single * found.probability_wanted, ruled.probability_single)
        np.testing.assert_allclose(found.probability_single, expected)
        decision = json.loads(found.attrs["decision"])
        assert decision["expected_purity"] == pytest.approx(float(expected[found.is_single.values].mean()))
        assert decision["max_singles_lost"] == 0.05
    again = sort(store, "pairs", max_singles_lost=0.05).load()  # which is no other than before
    assert again.identical(other.load())
    again = sort(store, "pairs", wanted="all")
    for name in ("found_orientation", "found_fluence"):
        np.testing.assert_array_equal(again[name], first[name])
    np.testing.assert_array_equal(again.is_single, ruled.is_single)
    np.testing.assert_array_equal(again.verdict, ruled.verdict)


def test_find_kinds__keeps_contamination_below_what_is_allowed(store: Path, sorted_store: Path) -> None:
    with pytest.warns(XfeldaskWarning, match="a contamination of no more than 2 % costs"):
        found = find_kinds(store, "pairs", most=2, max_contamination=0.02, progress=False).load()
    decision = json.loads(found.attrs["decision"])
    assert decision["expected_purity"] >= 0.98
    assert (1 - found.probability_single.values[found.is_single.values]).mean() <= 0.02
    assert found.is_single.sum() < (found.kind == 0).sum()
    ruled = open_dataset(sorted_store, group="latent/pairs", chunks=None)
    more = int((found.verdict == MULTIPLE).sum() - (ruled.verdict == MULTIPLE).sum())
    assert more == (found.kind == 0).sum() - found.is_single.sum() > 0
    costs = Decision.from_json(found.attrs["decision"]).conflict
    lost = decision["singles_lost_otherwise"]
    assert 0 <= lost < decision["expected_singles_lost"]
    assert decision["purity_otherwise"][0] < decision["expected_purity"]
    assert costs.startswith("a contamination of no more than 2 % costs")
    assert f"with at most {100 * max(0.05, round(lost, 4)):g} % of them lost" in costs
    told = verdict_told(open_run(store), found)["verdict"]
    assert told.endswith(
        f"; {more} of the multiple were taken for single hits of the wanted kind, and are rejected for "
        "the purity that was asked for"
    )


def test_find_kinds__tells_no_purity_where_nobody_told_how_likely_each_shot_is_one_particle(store: Path) -> None:
    with pytest.raises(InputError, match=r"sorted by elliptic_envelope, which gives no probability .* sort='pairs'"):
        find_kinds(store, "ipca", most=2, max_contamination=0.02, progress=False)
    assert "kind" not in open_dataset(store, group="latent/ipca")
    found = find_kinds(store, "ipca", most=2, progress=False).load()
    decision = Decision.from_json(found.attrs["decision"])
    assert decision.expected_purity is None
    assert decision.expected_others_kept is None
    told = verdict_told(open_run(store), found)
    assert told["purity"].startswith("unknown: elliptic_envelope does not tell how likely a hit is one particle")
    assert decision.expected_of_kind == pytest.approx(found.probability_wanted.values[found.is_single.values].mean())
    assert told["expected"].startswith("if each of the accepted is one particle, ")
    one = find_kinds(store, "ipca", most=1, progress=False)
    assert Decision.from_json(one.attrs["decision"]).expected_of_kind is None  # nothing to be of else


def test_find_kinds__keeps_the_contamination_that_the_embedding_was_sorted_by(store: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XfeldaskWarning)
        sort(store, "pairs", max_contamination=0.02, max_singles_lost=0.05)
        found = find_kinds(store, "pairs", most=2, progress=False).load()
    decision = open_run(store).embeddings["pairs"].decision
    assert decision.max_contamination == 0.02
    assert (1 - found.probability_single.values[found.is_single.values]).mean() <= 0.02
    assert decision.expected_purity_interval[0] <= decision.expected_purity <= decision.expected_purity_interval[1]
    low, high = decision.expected_singles_lost_interval
    assert low <= decision.expected_singles_lost <= high


def labels_of(store: Path, ones: slice, zeros: slice) -> np.ndarray:
    """Labels of some of the single hits of the embedding `ipca`."""
    single = np.flatnonzero(open_dataset(store, group="latent/ipca", chunks=None).is_single.values)
    labels = np.full(N, -1)
    labels[single[ones]], labels[single[zeros]] = 1, 0
    return labels


def test_find_kinds__holds_shots_to_their_labels(store: Path, tmp_path: Path) -> None:
    blind = find_kinds(store, "ipca", most=2, progress=False).load()
    of = [np.flatnonzero(blind.kind.values == kind) for kind in (0, 1)]
    labels = np.full(N, -1)
    labels[of[1][:9]] = labels[of[0][:1]] = 1
    labels[of[0][1:9]] = labels[of[1][9:10]] = 0
    np.save(tmp_path / "labels.npy", labels)
    found = find_kinds(store, "ipca", labels=tmp_path / "labels.npy", most=2, progress=False).load()
    decision = json.loads(found.attrs["decision"])
    assert decision["wanted_kinds"] == [1]  # that of most labelled 1, though there are fewer
    assert decision["kinds_labels"] == [10, 9, 1]
    np.testing.assert_array_equal(found.probability_wanted.values[labels == 1], 1)
    np.testing.assert_array_equal(found.probability_wanted.values[labels == 0], 0)
    np.testing.assert_array_equal(found.verdict.values[labels == 1], SINGLE)
    np.testing.assert_array_equal(found.verdict.values[labels == 0], OTHER)
    free = labels < 0
    assert (found.kind.values == blind.kind.values)[free].mean() > 0.95
    assert verify(store, progress=False).ok


def test_find_kinds__holds_shots_to_their_labels_of_whatever_kind_is_asked_for(store: Path) -> None:
    blind = find_kinds(store, "ipca", most=2, progress=False).load()
    of = [np.flatnonzero(blind.kind.values == kind) for kind in (0, 1)]
    labels = np.full(N, -1)
    labels[of[1][:9]], labels[of[0][:9]] = 1, 0  # they call kind 1 wanted
    with pytest.warns(XfeldaskWarning, match="9 of the 9 single hits labelled 0 look as the wanted kind does"):
        found = find_kinds(store, "ipca", labels=labels, wanted=0, most=2, progress=False).load()
    assert json.loads(found.attrs["decision"])["wanted_kinds"] == [0]
    np.testing.assert_array_equal(found.verdict.values[labels == 1], SINGLE)
    np.testing.assert_array_equal(found.verdict.values[labels == 0], OTHER)
    np.testing.assert_array_equal(found.is_single.values, found.kind.values == 0)


def test_find_kinds__tells_how_many_hits_intensities_are_made_of(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def watched(frames: object, *asked: object, **options: object) -> Kinds:
        made.append(len(frames))
        return grow(frames, *asked, **options | {"most": 1})

    grow = kinds_sought.grow_kinds
    monkeypatch.setattr(kinds_sought, "grow_kinds", watched)
    monkeypatch.setattr(kinds_sought, "FITTED", 100)
    found = find_kinds(store, "ipca", labels=labels_of(store, slice(0, 30), slice(0)), most=2, progress=False)
    assert made[0] > 100  # the labelled ones are among them
    assert open_dataset(store, group="latent/ipca/kinds", chunks=None).attrs["n_fitted"] == made[0]
    assert json.loads(found.attrs["decision"])["rarest_kind"] == 20 / made[0]


def test_find_kinds__asks_for_no_label_that_it_has(store: Path) -> None:
    labels = np.full(N, -1)
    blind = find_kinds(store, "ipca", most=2, progress=False)
    labels[list(Decision.from_json(blind.attrs["decision"]).next_to_label)] = 1
    found = find_kinds(store, "ipca", labels=labels, most=2, progress=False)
    asked = Decision.from_json(found.attrs["decision"]).next_to_label
    assert len(asked) == 8
    assert (labels[list(asked)] < 0).all()


def test_find_kinds__tells_no_purity_where_a_kind_may_be_too_much_like_another(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Growth(real=False, shots=113, misfit=0.9, gain=1.4, agreement=0.9)
    grow = kinds_sought.grow_kinds
    monkeypatch.setattr(
        kinds_sought, "grow_kinds", lambda *asked, **options: replace(grow(*asked, **options), growths=(refused,))
    )
    decision = Decision.from_json(find_kinds(store, "pairs", most=2, progress=False).attrs["decision"])
    assert decision.doubtful_kind == 113
    assert decision.expected_purity is None
    assert decision.expected_purity_interval is None
    told = decision_told(decision)
    assert told["beware"].startswith("purity unknown: 113 of the single hits")
    assert "purity" not in told["expected"]


def test_find_kinds__says_where_labels_cannot_be_told_apart(store: Path) -> None:
    labels = labels_of(store, slice(0, 20), slice(20, 30))
    with pytest.warns(XfeldaskWarning, match="10 of the 10 single hits labelled 0 look as the wanted kind does"):
        found = find_kinds(store, "ipca", labels=labels, most=1, progress=False).load()
    assert not found.is_single.values[labels == 0].any()
    np.testing.assert_array_equal(found.verdict.values[labels == 0], OTHER)
    assert found.is_single.values[labels == 1].all()
    with pytest.warns(XfeldaskWarning, match="label at least 6 of them"):
        find_kinds(store, "ipca", labels=labels_of(store, slice(0), slice(3)), most=1, progress=False)


def test_find_kinds__refuses_labels_that_say_nothing_of_kinds(store: Path) -> None:
    with pytest.raises(InputError, match="no single hit of the embedding ipca has a label"):
        find_kinds(store, "ipca", labels=np.full(N, -1), progress=False)
    with pytest.raises(InputError, match=r"labels are one for each of the 390 shots, got shape \(2,\)"):
        find_kinds(store, "ipca", labels=[1, 0], progress=False)
    with pytest.raises(InputError, match=r"labels help to find kinds that have no names"):
        find_kinds(store, "ipca", labels=labels_of(store, slice(9), slice(9, 19)), like=named(), progress=False)


def three_kinds(store: Path, name: str = "ipca") -> xr.Dataset:
    return find_kinds(store, name, most=3, progress=False).load()


@pytest.mark.parametrize(("name", "wanted"), [("ipca", [0, 2]), ("ipca", "all but 1"), ("pairs", "0, 2")])
def test_sort__by_several_kinds_is_as_finding_them_with_those_wanted(store: Path, name: str, wanted: object) -> None:
    first = three_kinds(store, name)
    found = sort(store, name, wanted=wanted).load()
    decision = Decision.from_json(found.attrs["decision"])
    assert decision.wanted_kinds == (0, 2)
    np.testing.assert_array_equal(found.kind, first.kind)
    np.testing.assert_array_equal(found.is_single.values, np.isin(first.kind.values, (0, 2)))
    np.testing.assert_array_equal(found.verdict.values == OTHER, first.kind.values == 1)
    single = first.kind.values >= 0
    sums = first.probability_kind.values[single][:, [0, 2]].sum(axis=1)
    np.testing.assert_allclose(found.probability_wanted.values[single], sums, atol=1e-6)
    at_once = find_kinds(store, name, most=3, wanted=wanted, progress=False).load()
    for column in ("verdict", "is_single", "kind"):
        np.testing.assert_array_equal(at_once[column], found[column])
    np.testing.assert_allclose(at_once.probability_wanted, found.probability_wanted, atol=1e-6)
    other = Decision.from_json(at_once.attrs["decision"])
    assert other.model_dump().keys() == decision.model_dump().keys()
    assert other.kinds == decision.kinds
    if name == "pairs":
        assert decision.expected_purity == pytest.approx(other.expected_purity, rel=1e-6)
        accepted = found.is_single.values
        assert decision.expected_purity == pytest.approx(float(found.probability_single.values[accepted].mean()))
    told = decision_told(decision)["kinds"]
    assert told.startswith(", ".join(f"{n} kind {k}" for k, n in enumerate(decision.kinds)))
    assert "; kind 0 and kind 2 wanted" in told
    assert verify(store, progress=False).ok


def test_sort__names_kinds_and_keeps_the_names(store: Path) -> None:
    first = three_kinds(store, "pairs")
    named = sort(store, "pairs", name_kinds={0: "capsid", 1: "ice"}).load()
    for column in ("verdict", "is_single", "probability_wanted", "probability_single", "kind", "score"):
        np.testing.assert_array_equal(named[column], first[column])
    assert named.kind.attrs["flag_meanings"] == "none capsid ice kind_2"
    assert named.probability_kind.attrs["kind_names"] == "capsid ice kind_2"
    before, after = (Decision.from_json(each.attrs["decision"]) for each in (first, named))
    assert after == before.model_copy(update={"kind_names": ("capsid", "ice", "kind_2")})
    assert open_dataset(store, group="latent/pairs/kinds").attrs["names"] == ["capsid", "ice", "kind_2"]
    assert decision_told(after)["kinds"].startswith(f"{before.kinds[0]} capsid, ")
    stricter = sort(store, "pairs", wanted="all but ice", max_singles_lost=0.1).load()
    told = Decision.from_json(stricter.attrs["decision"])
    assert (told.kind_names, told.wanted_kinds) == (after.kind_names, (0, 2))
    assert told.max_singles_lost == 0.1
    here = open_dataset(store, group="latent/pairs/kinds").shots
    assert here.values.tolist() == list(told.kinds)
    swapped = sort(store, "pairs", name_kinds={"capsid": "ice", "ice": None, 2: "dimer"})
    assert Decision.from_json(swapped.attrs["decision"]).kind_names == ("ice", "kind_1", "dimer")
    bare = sort(store, "pairs", name_kinds={0: None, 2: ""})
    assert Decision.from_json(bare.attrs["decision"]).kind_names is None
    assert "flag_meanings" not in bare.kind.attrs
    assert "names" not in open_dataset(store, group="latent/pairs/kinds").attrs
    assert verify(store, progress=False).ok


def test_find_kinds__again_keeps_the_names_that_a_person_gave(store: Path) -> None:
    blind = three_kinds(store)
    most = int(np.bincount(blind.kind.values[blind.kind.values >= 0]).argmax())
    sort(store, "ipca", name_kinds={most: "capsid"})
    again = Decision.from_json(three_kinds(store).attrs["decision"])
    assert again.kind_names == tuple("capsid" if kind == most else f"kind_{kind}" for kind in range(3))
    assert "capsid" in open_dataset(store, group="latent/ipca/kinds").attrs["names"]
    assert Decision.from_json(three_kinds(store, "pairs").attrs["decision"]).kind_names is None


def test_sort__keeps_the_contamination_that_kinds_were_found_by(store: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XfeldaskWarning)
        strict = find_kinds(store, "pairs", most=3, max_contamination=0.02, progress=False).load()
        assert sort(store, "pairs", name_kinds={0: "capsid"}).is_single.identical(strict.is_single)
        loose = sort(store, "pairs", wanted="all")
        assert Decision.from_json(loose.attrs["decision"]).max_contamination == 0.02
        loose = sort(store, "pairs", max_singles_lost=0.05)
        assert Decision.from_json(loose.attrs["decision"]).max_contamination is None
        again = sort(store, "pairs", wanted=0, max_singles_lost=0.05, max_contamination=0.02)
    assert again.is_single.identical(strict.is_single)


def test_sort__refuses_what_is_no_kind_and_no_name_of_one(store: Path) -> None:
    with pytest.raises(InputError, match="no kinds were found in the embedding ipca of"):
        sort(store, "ipca", wanted=0)
    before = three_kinds(store)
    for asked, told in (
        ({"wanted": [0, 3]}, "there is no kind 3: 3 found, counted from 0"),
        ({"wanted": "ice"}, "there is no kind ice: kinds that are found have numbers only"),
        ({"wanted": "all but 0,1,2"}, "of 3 kinds none is left that is wanted"),
        ({"wanted": []}, "no kind is wanted"),
        ({"name_kinds": {0: "../x"}}, r"a letter and up to 31 letters, digits and _, got '\.\./x'"),
        ({"name_kinds": {0: "none"}}, "no kind can be named 'none'"),
        ({"name_kinds": {0: "ice", 2: "ice"}}, "two kinds would be named ice"),
        ({"wanted": 0, "contamination": 0.05}, "more shots would be accepted than kinds were found among"),
        ({"wanted": 0, "max_contamination": 0.05}, "sorted by elliptic_envelope"),
    ):
        with pytest.raises(InputError, match=told):
            sort(store, "ipca", **asked)
    assert open_dataset(store, group="latent/ipca", chunks=None).load().identical(before)


def test_find_kinds__holds_shots_to_their_labels_of_several_kinds(store: Path) -> None:
    blind = three_kinds(store)
    most, next_to, least = np.argsort([-(blind.kind.values == kind).sum() for kind in range(3)], kind="stable")
    labels = np.full(N, -1)
    labels[np.flatnonzero(blind.kind.values == most)[:12]] = np.repeat([1, 0], [9, 3])
    labels[np.flatnonzero(blind.kind.values == next_to)[:4]] = 1
    with pytest.warns(XfeldaskWarning, match="3 of the 3 single hits labelled 0 look as the wanted kind does"):
        found = find_kinds(store, "ipca", labels=labels, wanted=[most, least], most=3, progress=False).load()
    assert np.isin(found.kind.values[labels == 1], (most, least)).all()
    np.testing.assert_array_equal(found.kind.values[labels == 0], next_to)
    assert json.loads(found.attrs["decision"])["kinds_labels"] == [13, 3, 3]
    np.testing.assert_array_equal(found.verdict.values[labels == 1], SINGLE)
    np.testing.assert_array_equal(found.verdict.values[labels == 0], OTHER)
    with pytest.warns(XfeldaskWarning, match="3 of the 3"):
        none = find_kinds(store, "ipca", labels=labels, wanted="all", most=3, progress=False).load()
    np.testing.assert_array_equal(none.verdict.values[labels == 0], OTHER)


def test_sort__forgets_kinds_where_it_takes_more_shots_than_they_were_found_among(store: Path) -> None:
    find_kinds(store, "ipca", most=2, progress=False)
    with pytest.warns(XfeldaskWarning, match="the embedding ipca .* are dropped; find them again with: xfeldask kinds"):
        found = sort(store, "ipca", contamination=0.05)
    assert not {"kind", "probability_kind"} & {*found}
    assert "kinds" not in open_run(store).embeddings["ipca"].parts()
    sort(store, "ipca", contamination=0.05)  # there are none to tell of


def test_project__leaves_kinds_behind_and_says_so(store: Path, sorted_store: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(sorted_store, tmp_path / "other.zarr"))
    find_kinds(store, "ipca", most=2, progress=False)
    with pytest.warns(XfeldaskWarning, match="the embedding ipca .* are not taken along"):
        found = project(store, "ipca", other, as_name="again", progress=False)
    assert "kind" not in found
    assert "kinds" in open_run(store).embeddings["ipca"].part_names()


def test_project__says_that_kinds_of_the_embedding_it_replaces_are_dropped(store: Path, sorted_store: Path) -> None:
    for source in (store, sorted_store):  # onto itself, and from one without kinds
        find_kinds(store, "ipca", most=2, progress=False)
        with pytest.warns(XfeldaskWarning, match="the embedding ipca .* are dropped"):
            found = project(source, "ipca", store, overwrite=True, progress=False)
        assert "kind" not in found


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"wanted": 2, "most": 2}, "there is no kind 2: 2 found"),
        ({"wanted": 0.7, "most": 2}, "wanted must be the number or the name of a kind, or several of them, got 0.7"),
        ({"max_contamination": 1.5}, "max_contamination must be above 0 and below 1, got 1.5"),
    ],
)
def test_find_kinds__refusals_leave_the_embedding_as_it_was(store: Path, options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        find_kinds(store, "ipca", progress=False, **options)
    assert "kind" not in open_dataset(store, group="latent/ipca")


def test_find_kinds__refuses_shots_that_nobody_sorted_or_too_few(store: Path) -> None:
    embed(store, name="unsorted", sort=None, progress=False)
    with pytest.raises(InputError, match=r"unsorted of .* was not sorted"):
        find_kinds(store, "unsorted", progress=False)
    embed(store, name="few", sort="elliptic_envelope", contamination=0.5, progress=False)
    with pytest.raises(InputError, match=r"at least 200 single hits"):
        find_kinds(store, "few", progress=False)


NAMED = {"drop": {"sphere": {"diameter": 30e-9}}, "protein": "chaperonin"}


def named(n_shots: int = 9, **more: object) -> Experiment:
    return Experiment(species=NAMED, wanted="protein", n_shots=n_shots, detector="square-64", **more)


def test_find_kinds__of_species_that_are_named_accepts_the_wanted_one(store: Path, tmp_path: Path) -> None:
    before = open_dataset(store, group="latent/ipca", chunks=None).load()
    toml = tmp_path / "beam.toml"
    toml.write_text(named().to_toml())
    found = find_kinds(store, "ipca", like=toml, progress=False).load()
    assert found.kind.attrs["flag_meanings"] == "none drop protein"
    assert (found.kind.values[before.is_single.values] == 1).mean() > 0.95
    np.testing.assert_array_equal(found.is_single.values, found.kind.values == 1)
    decision = json.loads(found.attrs["decision"])
    assert decision["kind_names"] == ["drop", "protein"]
    assert decision["wanted_kinds"] == [1]
    assert found.probability_kind.attrs["kind_names"] == "drop protein"
    single = before.is_single.values
    np.testing.assert_allclose(found.probability_kind.values[single, 1], found.probability_wanted[single], rtol=1e-6)
    np.testing.assert_allclose(found.probability_kind.values[single].sum(axis=1), 1, rtol=1e-6)
    assert np.isnan(found.probability_kind.values[~single]).all()
    assert found.probability_kind.dtype == np.float32
    assert decision["rarest_kind"] is None
    for name in ("found_fluence", "found_size"):
        np.testing.assert_array_equal(np.isnan(found[name].values), ~single)
    assert found.found_size.values[single] == pytest.approx(1)
    assert found.found_fluence.values[single].mean() == pytest.approx(1)
    away = angle_between(
        found.found_orientation.values[single],
        open_run(store).read("orientation")[single, 0],
        symmetry_group("D8"),
        friedel=True,
    )
    assert np.median(away) < np.radians(10)
    told = open_dataset(store, group="latent/ipca/kinds", chunks=None)
    assert told.attrs["names"] == ["drop", "protein"]
    assert verify(store, progress=False).ok
    again = find_kinds(store, "ipca", like=named(), wanted="drop", progress=False).load()
    np.testing.assert_array_equal(again.kind, found.kind)
    np.testing.assert_array_equal(again.is_single.values, again.kind.values == 0)


@pytest.mark.parametrize(("like", "names"), [(named(), ["drop"]), (RUN, ["chaperonin"])])
def test_find_kinds__tells_from_which_fraction_on_strangers_are_found(
    store: Path, monkeypatch: pytest.MonkeyPatch, like: object, names: list[str]
) -> None:
    asked = []

    def least(hits, pixels, kinds, kind, **_):
        asked.append((len(hits), kinds.names[kind]))
        return Sought(0.02, (0.1, 0.05, 0.02, 0.01))

    monkeypatch.setattr(strangers_found, "least_found", least)
    monkeypatch.setattr(strangers_found, "refuse_few", lambda hits: None)
    experiment = like if isinstance(like, Experiment) else Experiment(**RUN)
    found = find_kinds(store, "ipca", most=2, strangers=experiment, progress=False).load()
    decision = Decision.from_json(found.attrs["decision"])
    assert decision.strangers_found == dict.fromkeys(names, 0.02)
    assert asked == [(int((found.kind == 0).sum()), name) for name in names]
    assert decision.strangers_tried == dict.fromkeys(names, (0.1, 0.05, 0.02, 0.01))
    told = f"put among them, {names[0]} is found at 2 % and more, and less than 1 % was not tried"
    assert decision_told(decision)["kinds"].endswith(told)
    none = decision.model_copy(update={"strangers_found": {"drop": None}, "strangers_tried": {"drop": (0.1,)}})
    assert decision_told(none)["kinds"].endswith("drop is not found at 10 %, and less than 10 % was not tried")
    with pytest.raises(InputError, match="strangers tell what is not found blind"):
        find_kinds(store, "ipca", strangers=experiment, like=experiment, progress=False)


def test_find_kinds__refuses_strangers_among_too_few_hits(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers_found, "kinds_like", lambda *_, **__: pytest.fail("nothing is prepared for nothing"))
    with pytest.raises(InputError, match=r"at least 200 hits of the wanted kind, and there are \d+; find"):
        find_kinds(store, "ipca", most=2, wanted=1, strangers=named(), progress=False)
    assert "kind" not in open_dataset(store, group="latent/ipca")


def test_find_kinds__takes_species_from_a_simulated_store(store: Path) -> None:
    found = find_kinds(store, "ipca", like=store, progress=False)
    assert found.kind.attrs["flag_meanings"] == "none chaperonin"
    assert set(found.kind.values.tolist()) == {-1, 0}


def test_find_kinds__refuses_what_names_no_species(store: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no .*nowhere to take species from"):
        find_kinds(store, "ipca", like=tmp_path / "nowhere", progress=False)
    with pytest.raises(InputError, match="there is no kind water: kinds are named drop, protein"):
        find_kinds(store, "ipca", like=named(), wanted="water", progress=False)
    with pytest.raises(InputError, match="there is no kind water: kinds that are found have numbers only"):
        find_kinds(store, "ipca", wanted="water", most=1, progress=False)
    np.save(tmp_path / "real.npy", np.ones((3, 64, 64), np.uint8))
    given = {"geometry": "square-64", "wavelength": 2.7e-10, "progress": False}
    ingest(tmp_path / "real.npy", tmp_path / "real.zarr", **given)
    with pytest.raises(InputError, match="was not simulated and names no species"):
        find_kinds(store, "ipca", like=tmp_path / "real.zarr", progress=False)
    assert "kind" not in open_dataset(store, group="latent/ipca")


def test_embed__sorts_by_models_as_by_pairs_and_then_by_the_species_that_are_named(store: Path) -> None:
    asked = {"like": named(), "wanted": "all but protein", "progress": False}
    found = embed(store, name="models", sort="models", max_singles_lost=0.05, **asked).load()
    one_by_one = find_kinds(store, "pairs", **asked).load()
    for name in ("kind", "probability_wanted", "verdict", "is_single"):
        np.testing.assert_array_equal(found[name], one_by_one[name])
    assert json.loads(found.attrs["decision"])["kind_names"] == ["drop", "protein"]


def test_embed__by_models_leaves_nothing_where_kinds_fail(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    options = {"sort": "models", "like": named(), "progress": False, "max_singles_lost": 0.05}
    with monkeypatch.context() as patch:
        patch.setattr(kinds_sought.Hits, "compared", fail)
        with pytest.raises(MemoryError):
            embed(store, name="models", **options)
        before = open_dataset(store, group="latent/pairs", chunks=None).load()
        with pytest.raises(MemoryError):
            embed(store, name="pairs", **options, overwrite=True)
    assert "models" not in open_run(store).embeddings
    assert open_dataset(store, group="latent/pairs", chunks=None).load().identical(before)
    assert "kind" in embed(store, name="models", **options)  # again, and nothing is in the way


@pytest.mark.parametrize("n", [1, 12])
def test_embed__by_models_needs_no_more_than_one_shot(n: int, tmp_path: Path) -> None:
    path = tmp_path / "few.zarr"
    hits = {1: 1.0} if n == 1 else {0: 0.5, 1: 0.5}
    run = {"particle": "chaperonin", "detector": "square-64", "nuisance": "realistic", "seed": 1}
    simulate(path, **run, n_shots=n, hits=hits, progress=False)
    found = embed(path, sort="models", like=named(), progress=False).load()
    there = open_run(path).read("n_particles") == 1
    np.testing.assert_array_equal(found.kind.values >= 0, there)
    np.testing.assert_array_equal(found.verdict.values[~there], BLANK)
    assert (found.probability_wanted.values[there] > 0.9).all()
    told = verdict_told(open_run(path), found)
    assert told["purity"].startswith("unknown: all hits were taken, nobody told one particle from several")
    assert told["latent space"].startswith("1 component by brightness" if n == 1 else "3 components by ipca")
    assert verify(path, progress=False).ok


def test_embed__by_models_tells_two_of_the_only_species_in_a_handful_of_shots(tmp_path: Path) -> None:
    path, other = tmp_path / "few.zarr", tmp_path / "other.zarr"
    run = {"particle": "chaperonin", "detector": {"source": "square-64", "pixel_size": 3e-4}}
    simulate(path, **run, hits={0: 0.2, 1: 0.4, 2: 0.4}, n_shots=12, seed=2, progress=False)
    found = embed(path, sort="models", like=path, progress=False).load()
    particles = open_run(path).read("n_particles")
    np.testing.assert_array_equal(found.verdict.values, np.choose(particles, [BLANK, SINGLE, MULTIPLE]))
    assert open_run(path).embeddings["ipca"].parameters.sort == "named_pairs"
    np.testing.assert_array_equal(found.kind.values >= 0, particles == 1)
    assert verify(path, progress=False).ok
    simulate(other, **run, hits={0: 0.2, 1: 0.4, 2: 0.4}, n_shots=12, seed=3, progress=False)
    with pytest.warns(XfeldaskWarning, match="not taken along"):
        again = project(path, "ipca", other, progress=False).load()
    there = open_run(other).read("n_particles")
    np.testing.assert_array_equal(again.verdict.values, np.choose(there, [BLANK, SINGLE, MULTIPLE]))


def test_embed__by_models_of_too_few_hits_keeps_to_what_is_asked_of_pairs(tmp_path: Path) -> None:
    path = tmp_path / "few.zarr"
    simulate(path, particle="chaperonin", detector="square-64", n_shots=9, seed=1, progress=False)
    with pytest.raises(InputError, match=r"learns from 300 hits or more, .*\(sort='models', like=\)"):
        embed(path, sort="models", like=named(), max_contamination=0.1, progress=False)
    assert not open_run(path).embeddings


def test_embed__by_models_takes_all_hits_where_they_are_few_among_many_shots(tmp_path: Path) -> None:
    path = tmp_path / "few.zarr"
    run = {"particle": "chaperonin", "detector": "square-64", "hits": {0: 0.95, 1: 0.05}}
    simulate(path, **run, n_shots=310, seed=1, progress=False)
    found = embed(path, sort="models", like=named(), method="brightness", name="few", progress=False).load()
    assert open_run(path).embeddings["few"].parameters.sort == "hits"
    np.testing.assert_array_equal(found.kind.values >= 0, open_run(path).read("n_particles") == 1)


def test_embed__by_models_refuses_before_anything_is_done(store: Path, tmp_path: Path) -> None:
    for options in ({"sort": "models"}, {"like": named()}):
        with pytest.raises(InputError, match="belong together"):
            embed(store, name="models", progress=False, **options)
    with pytest.raises(MissingFileError, match=r"no .*nowhere to take species from"):
        embed(store, name="models", sort="models", like=tmp_path / "nowhere", progress=False)
    with pytest.raises(InputError, match="there is no kind ice: kinds are named drop, protein"):
        embed(store, name="models", sort="models", like=named(), wanted="protein,ice", progress=False)
    with pytest.raises(InputError, match="wanted tells which species of like= to accept"):
        embed(store, name="models", wanted=0, progress=False)
    assert "models" not in open_run(store).embeddings
