"""A background that is measured on blanks, or given, is kept with the run and told to rules."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

from tests.rarely import rarely
from xfeldask import (
    embed,
    find_background,
    find_kinds,
    ingest,
    open_dataset,
    open_run,
    reconstruct,
    select,
    simulate,
    sort,
    verify,
)
from xfeldask.cli import commands
from xfeldask.errors import FormatError, InputError, MissingFileError, StoreExistsError, XfeldaskWarning
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.verdict import Verdict as VerdictTab
from xfeldask.orient.sparse import pixels_of
from xfeldask.physics.binned_frames import bin_frames
from xfeldask.physics.binning import bin_index
from xfeldask.report.decision_facts import verdict_told
from xfeldask.report.run_report import figures, report
from xfeldask.sorting.envelope import EnvelopeRule
from xfeldask.sorting.pairs.networks import PairNetworks
from xfeldask.sorting.pairs.rule import PairRule
from xfeldask.store.choosing.learning_shots import StoredShots
from xfeldask.store.results.known_background import PLACE
from xfeldask.store.results.parameters import Parameters
from xfeldask.store.storage.lock import held
from xfeldask.verbs.judge import reconstruction_quality
from xfeldask.work.reconstructing import read_frames

ATOMS = (np.random.default_rng(1).normal(size=(60, 3)) * 1e-9, ["C", "N", "O"] * 20)
N = 400
BEAM = {"photon_energy": 4600.0, "photons_per_pulse": 3e16, "focus_radius": 5e-7}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of which 40 % are blank, over gas that differs from shot to shot by half."""
    path = tmp_path_factory.mktemp("background") / "run.zarr"
    simulate(
        path, particle="chaperonin", detector="square-64", n_shots=N, seed=5, hits={0: 0.4, 1: 0.6},
        nuisance={"background": 0.5, "pulse_spread": 0.2, "dead_fraction": 0.02},
        background={"source": "gas", "spread": 0.5}, progress=False,
    )  # fmt: skip
    return path


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "run.zarr")


def truth(path) -> np.ndarray:
    """Photons of the background of a shot, on average, in the bins of `image`."""
    ds = open_dataset(path)
    photons = (ds.background_shape / ds.background_shape.size * ds.background.mean()).values
    opened = open_run(path)
    index = bin_index(opened.geometry, opened.bin)
    used = index >= 0
    size = int(np.prod(opened.layout.image))
    return np.bincount(index[used], photons[used], size).reshape(opened.layout.image)


def test_blanks__tell_where_background_falls_and_how_much_of_it(run):
    found = find_background(run, progress=False)
    ds = open_dataset(run).load()
    blank = found.taken_for_blank.values
    assert blank.sum() > 0.35 * N
    assert not ds.n_particles.values[blank].any()
    due, n = truth(run) * (ds.background.values[blank].mean() / ds.background.values.mean()), blank.sum()
    away = (found["image"].values - due)[due > 0] / np.sqrt(due[due > 0] / n)
    assert abs((away**2).mean() - 1) < 5 * np.sqrt(2 / away.size)
    weight, told = ds.background.values / ds.background.values[blank].mean(), found.background_weight.values
    assert np.corrcoef(told[blank], weight[blank])[0, 1] > 0.95
    assert np.corrcoef(told[~blank], weight[~blank])[0, 1] > 0.6
    assert told[~blank].mean() == pytest.approx(weight[~blank].mean(), rel=0.1)


def test_where__names_the_blanks(run):
    found = find_background(run, where="n_particles == 0", progress=False)
    ds = open_dataset(run).load()
    blank = ds.n_particles.values == 0
    np.testing.assert_array_equal(found.taken_for_blank.values, blank)
    for name in ("image", "low_q"):
        np.testing.assert_allclose(found[name].values, ds[name].values[blank].mean(axis=0), rtol=1e-6)
    share = ds.low_q.values[blank].sum(axis=(1, 2)) / ds.low_q.values[blank].sum(axis=(1, 2)).mean()
    np.testing.assert_allclose(found.background_weight.values[blank], share, rtol=1e-5)
    assert (
        select(run, "taken_for_blank and background_weight > 1").tolist()
        == np.flatnonzero(blank & (found.background_weight.values > 1)).tolist()
    )


def test_hits__tell_what_does_not_grow_with_their_brightness(tmp_path):
    path, radius = tmp_path / "run.zarr", np.linspace(0, 0.04, 81)
    np.save(tmp_path / "ring.npy", np.stack([radius, np.exp(-(((radius - 0.016) / 0.004) ** 2))], axis=1))
    simulate(
        path, particle="chaperonin", detector="square-64", n_shots=1500, seed=6, single_fraction=0.9,
        nuisance={"background": 0.5, "focus": "gaussian"},
        background={"source": str(tmp_path / "ring.npy"), "spread": 0.5}, progress=False, photon_dtype="uint16",
    )  # fmt: skip
    found = find_background(path, "hits", where="n_particles == 1", progress=False)
    due = truth(path)
    assert found["image"].values.sum() == pytest.approx(due.sum(), rel=0.2)
    assert found["low_q"].values.sum() == pytest.approx(due.sum(), rel=0.2)
    assert np.corrcoef(found["image"].values.ravel(), due.ravel())[0, 1] > 0.9
    weight = found.background_weight.values
    assert np.corrcoef(weight, open_dataset(path).background.values)[0, 1] > 0.3
    assert (weight * found["image"].values.sum()).mean() == pytest.approx(due.sum(), rel=0.06)
    assert "measured by what single hits hold whatever their brightness" in open_run(path).facts()["background"]
    embed(path, n_components=2, sort="elliptic_envelope", progress=False)
    again = find_background(path, "hits", overwrite=True, progress=False)
    assert np.corrcoef(again["image"].values.ravel(), due.ravel())[0, 1] > 0.9
    embed(path, name="unsorted", n_components=2, sort=None, progress=False)
    with pytest.raises(InputError, match=r"embed it with a rule: .*, or name single hits"):
        find_background(path, "hits", embedding="unsorted", overwrite=True, progress=False)


def test_hits__tell_one_background_for_all_and_none_before_they_are_sorted(run, tmp_path):
    with pytest.raises(InputError, match="and on hits that of all cells alone"):
        find_background(run, "hits", by="n_particles", progress=False)
    np.save(tmp_path / "frames.npy", open_dataset(run).photons.values[:, 0])
    with pytest.raises(InputError, match="when these were sorted: ingest and embed first"):
        ingest(tmp_path / "frames.npy", tmp_path / "new.zarr", geometry="square-64", wavelength=2.7e-10,
               background="hits", progress=False)  # fmt: skip
    assert not (tmp_path / "new.zarr").exists()


@pytest.mark.parametrize("kind", ["array", rarely("npy"), rarely("npz"), "h5", "profile"])
def test_source__may_be_given(run, tmp_path, kind):
    h5py = pytest.importorskip("h5py")
    image = np.random.default_rng(0).random((1, 64, 64))
    radius, level = np.array([0.0, 0.01, 0.1]), np.array([2.0, 0.5, 0.0])
    np.save(tmp_path / "b.npy", image[0])
    np.savez(tmp_path / "b.npz", dark=image)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["run/dark"] = image
    source = {
        "array": image, "npy": tmp_path / "b.npy", "npz": f"{tmp_path}/b.npz:/dark", "h5": f"{tmp_path}/b.h5:/run/dark",
        "profile": np.stack([radius, level], axis=1),
    }[kind]  # fmt: skip
    found = find_background(run, source, progress=False)
    geometry = open_run(run).geometry
    if kind == "profile":
        image = np.interp(np.hypot(*np.moveaxis(geometry.pixel_position, -1, 0)[:2]), radius, level)
    # as of frames of a thousand times as many photons
    frames = (1000 * image).astype(np.uint32)[None]
    due = bin_frames(frames, bin_index(geometry, open_run(run).bin), open_run(run).layout.image)[0] / 1000
    np.testing.assert_allclose(found["image"].values, due, atol=0.002)
    assert not found.taken_for_blank.values.any()
    assert ("an array" if kind in ("array", "profile") else "given by") in open_run(run).facts()["background"]


def test_rule__is_told(run, monkeypatch):
    seen = []
    monkeypatch.setattr(PairNetworks, "fit", lambda *given: seen.append(given[-1]))
    PairRule().fit(StoredShots(open_run(run), N))
    found = find_background(run, where="n_particles == 0", progress=False)
    PairRule().fit(StoredShots(open_run(run), N))
    assert seen[0] is None
    np.testing.assert_array_equal(seen[1], found.low_q.values)


def test_embedding__that_was_sorted_without_it_is_told_as_outdated(run):
    how = {"sort": "elliptic_envelope", "n_components": 2, "progress": False}
    embed(run, name="envelope", **how)
    embed(run, name="pairs", **how)
    group = zarr.open_group(run / "latent/pairs", mode="r+")
    before = Parameters.from_json(group.attrs["parameters"]).model_copy(update={"sort": "pairs"})
    group.attrs["parameters"] = before.to_json()
    assert open_run(run).embeddings["pairs"].is_current
    digest = find_background(run, where="n_particles == 0", progress=False).attrs["digest"]
    made = open_run(run).embeddings
    assert made["envelope"].is_current
    assert not made["pairs"].is_current
    told = "made before the background of the run was known; embed again"
    assert told in made["pairs"].facts()["outdated"]
    assert told in verdict_told(open_run(run), made["pairs"].dataset())["outdated"]
    assert told in report(run, embedding="pairs").read_text()
    session = Session(run)
    session.embedding = "pairs"
    assert told in VerdictTab(session, Pictures(session.shots.run)).table.object
    group.attrs["parameters"] = before.model_copy(update={"background": digest}).to_json()
    assert open_run(run).embeddings["pairs"].is_current
    group.attrs["parameters"] = before.model_copy(update={"background": "another"}).to_json()
    assert "made with another background" in open_run(run).embeddings["pairs"].facts()["outdated"]


def test_embedding__knows_the_background_that_it_was_sorted_with(run, monkeypatch):
    monkeypatch.setattr(EnvelopeRule, "uses_background", True, raising=False)
    digest = find_background(run, where="n_particles == 0", progress=False).attrs["digest"]
    embed(run, name="known", sort="elliptic_envelope", n_components=2, progress=False)
    assert open_run(run).embeddings["known"].parameters.background == digest


def test_background__is_verified_with_the_run(run):
    find_background(run, where="n_particles == 0", progress=False)
    assert verify(run, progress=False).ok
    zarr.open_group(run / PLACE, mode="r+").attrs["source"] = "mine"
    assert "attributes are not those that were written" in str(verify(run, progress=False))


def test_background__of_another_run_is_none(made, run, tmp_path):
    find_background(run, where="n_particles == 0", progress=False)
    simulate(tmp_path / "other.zarr", particle=ATOMS, detector="square-32", n_shots=4, progress=False)
    shutil.copytree(run / "known_background", tmp_path / "other.zarr" / "known_background")
    assert open_run(tmp_path / "other.zarr").known_background is None
    assert "belongs to another run" in str(verify(tmp_path / "other.zarr", progress=False))


def test_background__is_replaced_when_asked(run):
    find_background(run, where="n_particles == 0", progress=False)
    with pytest.raises(StoreExistsError, match="has a background; pass overwrite"):
        find_background(run, progress=False)
    find_background(run, np.ones((1, 64, 64)), overwrite=True, progress=False)
    assert "given by an array" in open_run(run).known_background.told


def test_background__that_another_finds_before_the_lock_is_not_replaced(run, monkeypatch):
    verb = sys.modules["xfeldask.verbs.known_background"]

    def late(path, place):
        monkeypatch.setattr(verb, "held", held)
        find_background(run, np.ones((1, 64, 64)), progress=False)
        return held(path, place)

    monkeypatch.setattr(verb, "held", late)
    with pytest.raises(StoreExistsError, match="has a background; pass overwrite"):
        find_background(run, np.full((1, 64, 64), 2.0), progress=False)
    assert open_run(run).known_background.image.max() == 1


@pytest.mark.parametrize(
    ("source", "where", "error", "told"),
    [
        ("blanks", "n_particles == 7", InputError, "is true of 0 shots; a background takes 30 blanks or more"),
        (np.ones((1, 64, 64)), "shot > 3", InputError, "where names the shots"),
        ("hits", None, InputError, r"embed it with a rule: xfeldask embed .*, or name single hits"),
        ("hits", "n_particles == 7", InputError, "0 shots are too few"),
        (np.ones((3, 64, 64)), None, InputError, r"a background is a profile \(n, 2\)"),
        (np.zeros((1, 64, 64)), None, InputError, "not 0 everywhere"),
        ("gone.npy", None, MissingFileError, "no background file gone.npy"),
        ("pyproject.toml", None, FormatError, "not a .npy array"),
    ],
)
def test_background__that_cannot_be_is_refused(run, source, where, error, told):
    with pytest.raises(error, match=told):
        find_background(run, source, where=where, progress=False)
    assert "known_background" not in open_run(run)


def test_background__of_nothing_but_blanks_is_weighed_by_photons(tmp_path):
    path = tmp_path / "dark.zarr"
    simulate(
        path, particle=ATOMS, detector="square-32", beam=BEAM, n_shots=50, hits={0: 1, 1: 1e-9},
        nuisance={"background": 0.5}, background="gas", progress=False, photon_dtype="uint16",
    )  # fmt: skip
    found = find_background(path, where="shot >= 0", progress=False)
    assert found.background_weight.values.mean() == pytest.approx(1, abs=1e-5)


def test_ingest__takes_a_background(run, tmp_path):
    """Shots of another store, of which the same are blank."""
    np.save(tmp_path / "frames.npy", open_dataset(run).photons.values[:, 0])
    np.save(tmp_path / "level.npy", np.full((64, 64), 0.25))
    asked = {"geometry": "square-64", "wavelength": 2.7e-10, "progress": False}
    path = tmp_path / "ingested.zarr"
    with pytest.raises(InputError, match="a background is a profile"):
        ingest(tmp_path / "frames.npy", path, background=np.ones(7), **asked)
    assert not path.exists()
    ingest(tmp_path / "frames.npy", path, **asked)
    ingest(tmp_path / "frames.npy", path, background=tmp_path / "level.npy", resume=True, **asked)
    assert open_run(path).known_background.image.sum() == pytest.approx(0.25 * 64**2)
    ingest(tmp_path / "frames.npy", path, background="blanks", overwrite=True, **asked)
    assert open_run(path).known_background.blank.sum() > 0.35 * N


def test_command__tells_the_background(run):
    told = CliRunner().invoke(commands, ["background", str(run), "--where", "n_particles == 0"], catch_exceptions=False)
    assert told.exit_code == 0
    assert "measured on" in told.stdout
    assert "measured on" in CliRunner().invoke(commands, ["inspect", str(run)], catch_exceptions=False).stdout


@pytest.mark.parametrize("images", ["image", "low_q"])
def test_frames__bring_the_background_of_their_shots(run, images):
    opened, shots = open_run(run), np.array([3, 300])
    pixels = pixels_of(opened.geometry, opened.wavelength, images)
    assert read_frames(opened, shots, pixels, images, None, False).background is None
    found = find_background(run, where="n_particles == 0", progress=False)
    background = read_frames(opened, shots, pixels, images, opened.known_background, False).background
    np.testing.assert_array_equal(background.image, found[images].values.ravel()[pixels.index])
    np.testing.assert_array_equal(background.amount, found.background_weight.values[shots])


@pytest.mark.filterwarnings("ignore:nothing was found")
def test_reconstruction__says_what_it_was_made_with_though_that_is_replaced_meanwhile(run, monkeypatch):
    first = find_background(run, where="n_particles == 0", progress=False).load()
    seen = []

    def late(opened, shots, pixels, images, known, progress):
        find_background(run, np.ones((1, 64, 64)), overwrite=True, progress=False)
        seen.append(read_frames(opened, shots, pixels, images, known, progress))
        return seen[0]

    monkeypatch.setattr(sys.modules["xfeldask.verbs.reconstruct"], "read_frames", late)
    how = {"resolution": 12e-9, "symmetry": "D8", "starts": 1, "n_iterations": 1, "progress": False}
    reconstruct(run, where="n_particles == 1", **how)
    assert open_run(run).reconstructions["emc"].parameters.background == first.attrs["digest"]
    assert seen[0].background.image.sum() == pytest.approx(float(first["image"].sum()), rel=1e-5)


@pytest.mark.filterwarnings("ignore:nothing was found")
def test_reconstruction__says_what_background_was_in_its_model(run):
    how = {"resolution": 12e-9, "symmetry": "D8", "starts": 1, "n_iterations": 1, "progress": False}
    reconstruct(run, name="before", where="n_particles == 1", **how)
    find_background(run, where="n_particles == 0", progress=False)
    reconstruct(run, name="after", where="n_particles == 1", **how)
    made = open_run(run).reconstructions
    assert made["before"].parameters.background is None
    assert made["after"].parameters.background == open_run(run).known_background.digest
    assert "part of the model" in made["after"].facts()["background"]
    assert "made before the background of the run was known; reconstruct" in made["before"].facts()["outdated"]
    assert "outdated" not in made["after"].facts()
    reconstruction_quality(run, "before")
    find_background(run, np.ones((1, 64, 64)), overwrite=True, progress=False)
    assert "made with another background; reconstruct" in open_run(run).reconstructions["after"].facts()["outdated"]
    with pytest.warns(XfeldaskWarning, match="after was made with another background; reconstruct again"):
        reconstruction_quality(run, "after")
    assert (made["before"].dataset().intensity.values != made["after"].dataset().intensity.values).any()


def test_kinds__say_what_background_they_were_found_with(run):
    embed(run, name="kinds", sort="elliptic_envelope", n_components=2, progress=False)
    first = find_background(run, where="n_particles == 0", progress=False).attrs["digest"]
    find_kinds(run, "kinds", like=run, progress=False)
    made = open_run(run).embeddings["kinds"]
    assert made.decision.kinds_background == first
    assert "outdated" not in made.facts()
    find_background(run, np.ones((1, 64, 64)), overwrite=True, progress=False)
    made, told = open_run(run).embeddings["kinds"], "its kinds were found with another background; find them again"
    assert told in made.facts()["outdated"]
    assert told in verdict_told(open_run(run), made.dataset())["outdated"]
    assert made.is_current  # of itself, the kinds aside
    sort(run, "kinds")  # which keeps them, as they were found
    assert told in open_run(run).embeddings["kinds"].facts()["outdated"]
    with pytest.warns(XfeldaskWarning, match="are dropped"):
        sort(run, "kinds", contamination=0.05)
    assert "outdated" not in open_run(run).embeddings["kinds"].facts()


def test_report__draws_the_background(run, tmp_path):
    find_background(run, where="n_particles == 0", progress=False)
    drawn = dict(figures(open_run(run), None))
    assert "background: mean of" in drawn["powder"].axes[1].get_title()
    assert drawn["powder"].axes[0].get_xlabel() == "q along x (1/nm)"
    line = drawn["radial profiles"].axes[0].lines[-1]
    assert line.get_label().startswith("background: mean of")
    # a ring's photons over its full bins, of background that falls off from the beam
    assert line.get_ydata()[0] > 2 * line.get_ydata()[-1]
