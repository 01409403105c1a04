"""`reconstruct`: what is written, from which shots, on which scheduler, and after a break; what is refused and told."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr

from tests.explorer.more_store import with_more
from tests.orient.shots import atoms_of
from tests.rarely import rarely
from xfeldask import embed, open_run, reconstruct, select, simulate, sort, verify
from xfeldask.errors import CorruptStoreError, InputError, StoreExistsError, UnknownNameError, XfeldaskWarning
from xfeldask.orient import schedule
from xfeldask.orient.rotations import rotation_grid
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.scores.quality import chance_correlation, shell_correlation
from xfeldask.store.results.reconstruction import HeldOut, Reconstructing, Reconstruction
from xfeldask.verbs import reconstruct as verb
from xfeldask.verbs.parts import reconstruction_checkpoints, reconstruction_work
from xfeldask.verbs.reconstruct import warn_of_kinds

ATOMS = atoms_of(4) * 1.0, ["C"] * 12
BEAM = {"photon_energy": 4600.0, "photons_per_pulse": 2.4e18, "focus_radius": 5e-7}
COMMON = {"particle": ATOMS, "beam": BEAM, "detector": "square-64", "progress": False}
SMALL = {"resolution": 5e-9, "rotations": 420, "n_iterations": 11, "starts": 1, "progress": False}


@pytest.fixture(scope="module", autouse=True)
def coarse_levels():
    """Two levels also for few bins."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, "COARSE", (2, 5.0, 11))
        yield


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of shots with one particle, and blanks."""
    path = tmp_path_factory.mktemp("reconstruct") / "run.zarr"
    simulate(path, n_shots=500, hits={0: 0.04, 1: 0.96}, **COMMON)
    return path


@pytest.fixture(scope="module")
def found(path: Path):
    with dask.config.set(scheduler="synchronous"):
        return reconstruct(path, where="n_particles == 1", name="whole", **SMALL).load()


def breaking(monkeypatch: pytest.MonkeyPatch, *, always: bool = False) -> None:
    """Let a reconstruction break off at its second checkpoint; what comes after it goes on, or breaks off as well."""
    monkeypatch.setattr(reconstruction_checkpoints, "BETWEEN_CHECKPOINTS", -1.0)
    publish, count = Reconstruction.publish, [0]

    def published(self, found, *arguments):
        publish(self, found, *arguments)
        count[0] += 1
        if count[0] == 2 or (always and count[0] % 4 == 0 and not found.attrs["finished"]):
            raise KeyboardInterrupt

    monkeypatch.setattr(Reconstruction, "publish", published)


def test_reconstruction__holds_intensity_and_orientations(path, found):
    run = open_run(path)
    single = run.read("n_particles") == 1
    assert found.intensity.shape == (found.sizes["u"],) * 3
    assert found.s.values[found.sizes["u"] // 2] == 0
    assert 1 / 5e-9 <= found.s.values[-1] < 1.4 / 5e-9
    assert (np.isfinite(found.log_likelihood.values) == single).all()
    assert (found.used.values <= single).all()
    assert (single & ~found.used.values).sum() == single.sum() // 20
    np.testing.assert_allclose(np.linalg.norm(found.orientation.values[single], axis=1), 1)
    assert np.isnan(found.orientation.values[~single]).all()
    best = found.rotation.values[found.likely.values[single, 0]]
    assert (best == found.orientation.values[single]).all()
    assert (found.orientation_spread.values[single] < np.pi).all()
    assert (found.information.values[single] <= np.log2(rotation_grid(2).n_rotations) + 0.3).all()
    assert found.mean_log_likelihood.sizes["step"] == len(found.exponent)
    assert np.isfinite(found.attrs["held_out_gain"])
    reconstruction = run.reconstructions["whole"]
    assert reconstruction.is_finished
    assert reconstruction.parameters.n_used == single.sum()
    assert "n_particles == 1" in repr(reconstruction)
    assert "\n  held out    shots explained " in repr(reconstruction)
    assert "whole" in repr(run)
    assert verify(path).problems == ()


def test_reconstruction__is_the_same_on_any_scheduler(path, found):
    with dask.config.set(scheduler="threads", num_workers=3):
        again = reconstruct(path, where="n_particles == 1", name="threads", **SMALL)
    for name in found.variables:
        np.testing.assert_array_equal(again[name].values, found[name].values)


def test_reconstruction__goes_on_where_it_broke_off(path, found, monkeypatch):
    breaking(monkeypatch)
    options = {"where": "n_particles == 1", "name": "broken", **SMALL}
    with pytest.raises(KeyboardInterrupt):
        reconstruct(path, **options)
    half = open_run(path).reconstructions["broken"]
    assert not half.is_finished
    assert "not finished" in repr(half)
    with pytest.raises(InputError, match="begun otherwise"):
        reconstruct(path, **{**options, "seed": 1})
    told: list[tuple] = []
    again = reconstruct(path, **{**options, "progress": lambda *what: told.append(what)})
    for name in found.variables:
        np.testing.assert_array_equal(again[name].values, found[name].values)
    assert {what[0] for what in told} == {"reading", "reconstructing"}
    with pytest.raises(StoreExistsError, match="reconstruction broken"):
        reconstruct(path, **options)


def test_shots__are_those_accepted_where_they_were_sorted(tmp_path):
    path = tmp_path / "run.zarr"
    simulate(path, n_shots=600, single_fraction=0.9, **COMMON)
    embed(path, progress=False)
    accepted = open_run(path).embeddings["ipca"].dataset().is_single.values
    found = reconstruct(path, **{**SMALL, "n_iterations": 1})
    assert (np.isfinite(found.information.values) == accepted).all()
    assert open_run(path).reconstructions["emc"].parameters.embedding == "ipca"


def test_half_sets__share_no_shot(path):
    found = reconstruct(path, name="halves", half_sets=True, **{**SMALL, "rotations": 60, "n_iterations": 1})
    half, used = found.half.values, found.used.values
    assert ((half >= 0) == used).all()
    assert abs((half == 0).sum() - (half == 1).sum()) <= 1
    assert found.half_intensity.shape == (2, *found.intensity.shape)
    assert (found.half_intensity[0] != found.half_intensity[1]).any()
    assert "agree" in open_run(path).reconstructions["halves"].facts()["half sets"]
    step = float(found.s[-1] - found.s[-2])
    shells = shell_correlation(*found.half_intensity.values, step)
    telling = replace(shells, chance=chance_correlation(found.half_intensity.values[0], step))
    shows = HeldOut.of(found.attrs).shows
    assert found.attrs["half_set_resolution"] == pytest.approx(telling.resolution(0.5) if shows else np.inf)
    assert len(shells.s) == found.sizes["u"] // 2 - 2


@pytest.mark.filterwarnings("ignore:nothing was found")
@pytest.mark.parametrize("starts", [2, rarely(3)])
def test_reconstruction__goes_on_within_starts_and_half_sets(path, monkeypatch, starts):
    options = {**SMALL, "resolution": 8e-9, "where": "shot < 150", "rotations": 60, "n_iterations": 1}
    options |= {"starts": starts, "half_sets": True}
    whole = reconstruct(path, name="unbroken", **options).load()
    breaking(monkeypatch, always=True)
    begun, before = reconstruction_work.begun, []

    def watched(*arguments, **keywords):
        before.append(keywords["before"])
        return begun(*arguments, **keywords)

    monkeypatch.setattr(reconstruction_work, "begun", watched)
    found = None
    while found is None:
        with suppress(KeyboardInterrupt):
            found = reconstruct(path, name="often", **options).load()
    xr.testing.assert_identical(found.drop_attrs(), whole.drop_attrs())
    # each of the three parts is begun from noise once, and what a break left of its starts is gone on with
    assert [start for start in before if start is None] == [None] * 3
    assert {start.attempts for start in before if start is not None} & {1, 2}


def test_overwriting__keeps_the_old_one_until_the_new_one_is_finished(path, monkeypatch):
    options = {**SMALL, "name": "again", "rotations": 60, "n_iterations": 2, "overwrite": True}
    old = reconstruct(path, **{**options, "seed": 1}).load()
    whole = reconstruct(path, **{**options, "name": "apart"}).load()
    breaking(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        reconstruct(path, **options)
    run = open_run(path)
    assert run.reconstructions["again"].is_finished
    xr.testing.assert_identical(run.reconstructions["again"].dataset().load(), old)
    assert verify(path).problems == ()
    with pytest.raises(StoreExistsError):
        reconstruct(path, **{**options, "overwrite": False})
    monkeypatch.setattr(reconstruction_work, "begun", lambda *_, **__: pytest.fail("it began anew"))
    xr.testing.assert_equal(reconstruct(path, **options).load(), whole)
    assert "unfinished/again" not in open_run(path)


@pytest.mark.parametrize("seed", [-1])
def test_seed__below_zero_is_refused(path, seed):
    with pytest.raises(InputError, match="seed is 0 or a positive whole number"):
        reconstruct(path, seed=seed, **{**SMALL, "name": "seeded"})


def test_shuffled_photons__are_told_to_show_nothing(path, monkeypatch):
    read = verb.read_frames

    def shuffled(run, shots, pixels, *rest):
        frames = read(run, shots, pixels, *rest)
        # every photon to a shot at random, each shot as many as it had
        pixel = np.repeat(frames.pixel, frames.count)
        shot = np.repeat(np.repeat(np.arange(len(frames)), np.diff(frames.start)), frames.count)
        images = np.zeros((len(frames), len(pixels.s)), np.uint16)
        np.add.at(images, (np.random.default_rng(0).permutation(shot), pixel), 1)
        return type(frames).of(images, np.arange(len(pixels.s)))

    monkeypatch.setattr(verb, "read_frames", shuffled)
    with pytest.warns(XfeldaskWarning, match="nothing was found"):
        reconstruct(path, where="n_particles == 1", name="shuffled", **SMALL)


def no_particle(kind: str, pixels: Pixels) -> SparseFrames:
    """Shots without a particle, of fluences that differ, and that are more unlike than counting makes them."""
    rng, n = np.random.default_rng(1), 400
    far = np.linalg.norm(pixels.s, axis=1) / pixels.step
    expected = np.exp(-far / 4) * pixels.factor * np.ones((n, 1))
    if kind == "overdispersed":
        expected = expected * rng.gamma(0.5, 2.0, expected.shape)
    expected *= 200 * rng.gamma(2.0, 0.5, (n, 1)) / expected.sum(axis=1, keepdims=True)
    images = rng.poisson(expected)
    if kind == "hot pixels":
        images[np.arange(n), rng.integers(pixels.within(8.0), size=n)] += 40
    return SparseFrames.of(images, np.arange(len(pixels.s)))


@pytest.mark.parametrize("kind", ["overdispersed", rarely("hot pixels")])
def test_no_particle__has_no_resolution(path, monkeypatch, kind):
    monkeypatch.setattr(verb, "read_frames", lambda _, __, pixels, *___: no_particle(kind, pixels))
    with pytest.warns(XfeldaskWarning, match="nothing was found"):
        found = reconstruct(
            path, where="shot < 400", name="noise", symmetry="C4", half_sets=True, overwrite=True, **SMALL
        )
    # against their mean profile alone they would show something
    assert found.attrs["held_out_gain"] > 1
    assert found.attrs["half_set_resolution"] == np.inf
    assert "nothing was found" in open_run(path).reconstructions["noise"].facts()["held out"]


def test_one_orientation__is_told(tmp_path):
    path = tmp_path / "run.zarr"
    simulate(path, n_shots=150, orientations={"kind": "uniform", "count": 1}, **COMMON)
    with pytest.warns(XfeldaskWarning, match="one orientation"):
        reconstruct(path, **{**SMALL, "rotations": 60, "n_iterations": 12})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"where": "photon_count > 1e9"}, r"there are no shots where photon_count > 1e9; choose others"),
        ({"where": "shot == 3"}, "1 shot where shot == 3 is too few for the 420 rotations"),
        ({"where": "shot < 30"}, "30 shots where shot < 30 are too few for the 420 rotations"),
        ({"where": "n_particles == 0", "rotations": 60, "symmetry": "D8"}, "blank"),
        ({"resolution": 1e-12}, "which the detector sees"),
        ({"resolution": -1.0}, "must be positive"),
        ({"rotations": 3}, "at least 60 rotations, got 3"),
        ({"n_iterations": 0}, "at least 1 iteration"),
        ({"symmetry": "Q5"}, "unknown symmetry group 'Q5'"),
        ({"name": "a/b"}, "the reconstruction's name 'a/b'"),
        ({"images": "photons"}, "image or low_q"),
        ({"starts": 0}, "at least 1 start"),
        ({"starts": 1.5}, "starts must be a whole number, got 1.5"),
        ({"rotations": "many"}, "rotations must be a whole number, got 'many'"),
        ({"resolution": "3nm"}, "resolution must be a number of metres, got '3nm'"),
        ({"symmetry": 8}, "symmetry must be text, got 8"),
        ({"where": 3}, "where must be text, got 3"),
    ],
)
def test_what_cannot_be__is_refused(path, options, told):
    with pytest.raises(InputError, match=told):
        reconstruct(path, **{**SMALL, "name": "refused", **options})
    assert "refused" not in open_run(path).reconstructions


def test_reconstruction__of_another_run_is_refused(path, found):
    metadata = path / "reconstruction" / "threads" / "zarr.json"
    if not metadata.exists():
        reconstruct(path, name="threads", **{**SMALL, "rotations": 60})
    text = json.loads(metadata.read_text())
    text["attributes"]["run"] = "another"
    metadata.write_text(json.dumps(text))
    with pytest.raises(CorruptStoreError, match="another run"):
        open_run(path).reconstructions["threads"].dataset()
    with pytest.raises(UnknownNameError, match="unknown reconstruction 'nobody'"):
        Reconstruction.chosen(open_run(path), "nobody")
    with pytest.raises(InputError, match="say which"):
        Reconstruction.chosen(open_run(path), None)


def test_older_reconstruction__is_told_without_what_was_not_looked_at(path, found):
    kept = {name: value for name, value in found.attrs.items() if not name.startswith("held_out_")}
    stored = Reconstruction(open_run(path), "older")
    for more in ({}, {"held_out_scrambled": 5.0, "held_out_above": 0.9, "held_out_error": 0.1}):
        stored.publish(found.drop_attrs().assign_attrs(kept | {"held_out_gain": 7.0} | more))
        told = open_run(path).reconstructions["older"].facts()["held out"]
        above = ", and than 90 % of their likenesses whose bins were exchanged (by chance 50 %)" if more else ""
        assert told == f"shots explained 7.0 nat better each than by their mean profile{above}"


def test_command__reconstructs_and_tells(path, run):
    code, out, err = run("reconstruct", path, "--name", "told", "--rotations", 60, "--resolution", 6e-9, "--starts", 1,
                         "--n-iterations", 1, "--scheduler", "synchronous", "--where", "n_particles == 1")  # fmt: skip
    assert (code, err.count("Traceback")) == (0, 0)
    assert "symmetry C1" in out
    assert "told" in run("inspect", path)[1]


def test_warn_of_kinds__says_how_to_take_those_of_one_kind(tmp_path: Path) -> None:
    run = open_run(with_more(tmp_path / "run.zarr"))
    default = Reconstructing(embedding="pca", n_used=24)
    warn_of_kinds(run, default)  # of one kind there is nothing to say
    sort(run.path, wanted="all")
    with pytest.warns(XfeldaskWarning, match=r"are of kind 0 and kind 1, and one intensity .* and kind == 0'"):
        warn_of_kinds(run, default)
    sort(run.path, name_kinds={0: "capsid"})
    with pytest.warns(XfeldaskWarning, match='of capsid and kind_1, .* kind == "capsid"\''):
        warn_of_kinds(run, default)
    warn_of_kinds(run, default.model_copy(update={"where": "kind == 0"}))
    assert len(select(run.path, 'is_single and kind == "capsid"'))
