"""`reconstruct(follow=True)`: what is shown while shots come, from which of them, and what is told when they do not."""

from __future__ import annotations

import shutil
from dataclasses import replace

import dask
import numpy as np
import pytest
import xarray as xr

from tests.orient.shots import atoms_of
from xfeldask import open_run, phase, reconstruct, simulate, verify
from xfeldask.errors import InputError, RunError, StoreExistsError, UnknownNameError
from xfeldask.orient import schedule
from xfeldask.store.packing.codecs import EXACT
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.reconstruction import Reconstructing, Reconstruction
from xfeldask.store.run import Run
from xfeldask.store.storage.lock import held
from xfeldask.verbs.parts import patience, reconstruction_checkpoints, reconstruction_work
from xfeldask.verbs.parts import reconstruction_following as module
from xfeldask.verbs.parts.patience import Patience
from xfeldask.verbs.parts.reconstruction_following import Follower
from xfeldask.verbs.parts.reconstruction_plan import dealt, held_back

ATOMS = atoms_of(4) * 1.0, ["C"] * 12
BEAM = {"photon_energy": 4600.0, "photons_per_pulse": 2.4e18, "focus_radius": 5e-7}
N = 320
OPTIONS = {"resolution": 6e-9, "rotations": 60, "n_iterations": 6, "starts": 1, "follow": True, "progress": False}


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A store whose shots are all there; a test takes their status away and gives it back."""
    path = tmp_path_factory.mktemp("full") / "run.zarr"
    simulate(path, particle=ATOMS, beam=BEAM, detector="square-64", n_shots=N, seed=2, progress=False)
    return path


@pytest.fixture
def path(full, tmp_path, monkeypatch):
    """A store of which no shot is there; what its shots come to is shown when there is nothing else to do."""
    path = shutil.copytree(full, tmp_path / "run.zarr")
    mark(path, 0)
    monkeypatch.setattr(schedule, "COARSE", (1, 4.0, 6))
    monkeypatch.setattr(module, "ENOUGH_TO_BEGIN", 100)
    monkeypatch.setattr(reconstruction_checkpoints, "BETWEEN_CHECKPOINTS", 1e9)
    with dask.config.set(scheduler="synchronous"):
        yield path


def mark(path, done, complete=None):
    """Have the first shots done, and the store complete if all are."""
    run = Run.open(path, "r+")
    run.array("shot_status", EXACT)[:] = (np.arange(N) < done).astype(np.uint8)
    run.group.attrs["complete"] = done == N if complete is None else complete


def growing(monkeypatch, path, *steps):
    """Let each wait for shots bring some, or do what a step does."""
    left = iter(steps)

    def wait(*_, **__):
        step = next(left)
        step() if callable(step) else mark(path, step)

    monkeypatch.setattr(Patience, "wait", wait)


def publishing(monkeypatch):
    """Note what is published."""
    shown, publish = [], Reconstruction.publish

    def published(self, found, *parts):
        publish(self, found, *parts)
        shown.append(found)

    monkeypatch.setattr(Reconstruction, "publish", published)
    return shown


def stopped():
    raise KeyboardInterrupt


def sorted_as(path, single, name="ipca"):
    """Publish verdicts on the first shots."""
    found = xr.Dataset({"is_single": ("shot", np.asarray(single, bool))}, attrs={"n_shots": len(single)})
    Embedding(Run.open(path), name).publish(found)


def looking(path, **asked):
    """Make a follower that only looks which shots are meant."""
    target = Reconstruction(Run.open(path), "emc")
    return Follower(target, target, Reconstructing(**asked), *[None] * 4, progress=False)


def test_follow__shows_what_shots_come_to_until_they_are_complete(path, monkeypatch):
    shown = publishing(monkeypatch)
    growing(monkeypatch, path, 40, 150, 300, N)
    told = []
    found = reconstruct(path, **OPTIONS | {"progress": lambda *what: told.append(what)}).load()
    *partial, last = shown
    back = held_back(np.arange(N), N)
    counts = [int(each.used.sum()) for each in partial]
    assert {(~back[:150]).sum(), (~back[:300]).sum()} <= {*counts}
    assert counts == sorted(counts)
    for each in partial:
        assert not each.attrs["finished"]
        assert not each.used.values[back].any()
    assert last.attrs["finished"]
    assert (found.used.values == ~back).all()
    assert np.isfinite(found.log_likelihood.values).all()
    assert np.isfinite(found.attrs["held_out_gain"])
    parameters = Reconstruction(open_run(path), "emc").parameters
    assert (parameters.follow, parameters.n_used) == (True, N)
    assert ("following", 150, N, "shots") in told
    assert {what[0] for what in told} == {"following", "reading", "reconstructing"}
    assert verify(path).problems == ()


def test_follow__ends_as_well_as_what_is_made_at_once(path, full, monkeypatch):
    growing(monkeypatch, path, 150, 250, N)
    options = OPTIONS | {"n_iterations": 11, "resolution": 5e-9}
    followed = reconstruct(path, **options)
    at_once = reconstruct(path, **options | {"follow": False, "name": "at-once"})
    gained = [float(found.contrast_likelihood.mean()) for found in (followed, at_once)]
    assert gained[0] > 0.9 * gained[1] > 5


def test_unfinished__never_passes_for_finished_and_is_gone_on_with(path, monkeypatch):
    growing(monkeypatch, path, 200, stopped)
    with pytest.raises(KeyboardInterrupt):
        reconstruct(path, **OPTIONS)
    made = open_run(path).reconstructions["emc"]
    assert not made.is_finished
    assert made.parameters.n_used == (~held_back(np.arange(200), N)).sum()
    assert "not finished" in repr(made)
    with pytest.raises(InputError, match="not finished"):
        phase(path)
    mark(path, 250)
    with pytest.raises(InputError, match="begun otherwise"):
        reconstruct(path, **OPTIONS | {"seed": 1})
    monkeypatch.setattr(module, "begun", lambda *_, **__: pytest.fail("it began anew"))
    monkeypatch.setattr(reconstruction_work, "begun", lambda *_, **__: pytest.fail("it began anew"))
    growing(monkeypatch, path, N)
    assert reconstruct(path, **OPTIONS).attrs["finished"]
    with pytest.raises(StoreExistsError, match="reconstruction emc"):
        reconstruct(path, **OPTIONS)


@pytest.mark.campaign
def test_half_sets__are_made_when_all_shots_are_there(path, monkeypatch):
    growing(monkeypatch, path, 150, N)
    found = reconstruct(path, **OPTIONS | {"half_sets": True})
    assert ((found.half.values >= 0) == found.used.values).all()


def test_too_few_to_follow__are_reconstructed_from_when_they_are_complete(path, monkeypatch):
    monkeypatch.setattr(module, "ENOUGH_TO_BEGIN", N + 1)
    shown = publishing(monkeypatch)
    growing(monkeypatch, path, 150, 300, N)
    assert reconstruct(path, **OPTIONS | {"n_iterations": 1}).attrs["finished"]
    assert all(int(found.used.sum()) > 300 for found in shown)
    growing(monkeypatch, path)
    with pytest.raises(InputError, match="10 shots where shot < 10 are too few for the 60 rotations"):
        reconstruct(path, **OPTIONS | {"where": "shot < 10", "name": "few"})
    assert list(open_run(path).reconstructions) == ["emc"]


def test_store_too_small__is_refused_before_anything_is_waited_for(path, monkeypatch):
    growing(monkeypatch, path)
    monkeypatch.setattr(schedule, "COARSE", (2, 4.0, 6))
    options = OPTIONS | {"rotations": None}
    with pytest.raises(InputError, match="320 shots of the store are too few for the 420 rotations"):
        reconstruct(path, **options)
    with pytest.raises(InputError, match="152 shots of half a set are too few for the"):
        reconstruct(path, **options | {"symmetry": "C2", "half_sets": True})


def test_mistyped_names__are_refused_while_an_embedding_is_being_made(path, monkeypatch):
    growing(monkeypatch, path)
    mark(path, 200)
    with held(path, "latent/ipca"):
        with pytest.raises(UnknownNameError, match="ipac"):
            reconstruct(path, **OPTIONS | {"embedding": "ipac"})
        # verdicts are still to come
        for asked in ({"where": "is_single"}, {"embedding": "ipca"}):
            assert looking(path, **asked)._look().makes == ("ipca",)
        sorted_as(path, np.ones(200))
        with pytest.raises(UnknownNameError, match="is_singel"):
            reconstruct(path, **OPTIONS | {"where": "is_singel"})


def test_blank_beginning__is_waited_for_to_end(path, monkeypatch):
    images = Run.open(path, "r+").array("image", EXACT)
    images[:180] = 0
    shown = publishing(monkeypatch)
    growing(monkeypatch, path, 180, 300, stopped)
    with pytest.raises(KeyboardInterrupt):
        reconstruct(path, **OPTIONS)
    assert {int(found.used.sum()) for found in shown} == {int((~held_back(np.arange(300), N)).sum())}
    images[:] = 0
    growing(monkeypatch, path, N)
    with pytest.raises(InputError, match="the shots are blank"):
        reconstruct(path, **OPTIONS | {"name": "blank"})


def test_shots_that_nobody_writes__are_told_and_what_was_shown_stays(path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(patience, "MOST_SECONDS_ALONE", 5.0)
    monkeypatch.setattr(patience.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(patience.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    mark(path, 150)
    told = r"150 of 320 shots of .* nobody writes more; finish it with --resume, and repeat this to go on"
    with pytest.raises(RunError, match=told):
        reconstruct(path, **OPTIONS)
    assert not open_run(path).reconstructions["emc"].is_finished


def test_run_that_takes_the_place__is_told(path, monkeypatch):
    def replaced():
        Run.open(path, "r+").group.attrs["experiment_digest"] = "another"

    growing(monkeypatch, path, replaced)
    with pytest.raises(RunError, match="replaced by another run"):
        reconstruct(path, **OPTIONS)


def test_shots__are_those_accepted_by_an_embedding_that_is_being_made(path, monkeypatch):
    shown, even = publishing(monkeypatch), np.arange(N) % 2 == 0
    lock = held(path, "latent/ipca")
    lock.__enter__()
    mark(path, 300)

    def let_go():
        sorted_as(path, even)
        lock.__exit__(None, None, None)

    # nothing is shown before there are verdicts; the first of them are changed later
    growing(monkeypatch, path, lambda: sorted_as(path, np.ones(250)), lambda: sorted_as(path, even[:300]), N, let_go)
    found = reconstruct(path, **OPTIONS)
    assert int(shown[0].used.sum()) == (~held_back(np.arange(250), N)).sum()
    used = [np.flatnonzero(each.used.values) for each in shown]
    assert any((each % 2 == 0).all() and len(each) > 100 for each in used)
    assert (np.isfinite(found.log_likelihood.values) == even).all()
    assert Reconstruction(open_run(path), "emc").parameters.embedding == "ipca"


def test_what_is_waited_for__is_told_when_it_changes(path, monkeypatch, capsys):
    verdicts = [lambda n=n: sorted_as(path, np.ones(n)) for n in (40, 60, 300)]
    growing(monkeypatch, path, 30, 300, *verdicts, N, stopped)
    with held(path, "latent/ipca"), pytest.raises(KeyboardInterrupt):
        reconstruct(path, **OPTIONS | {"progress": True})
    lines = capsys.readouterr().err.splitlines()
    first = (~held_back(np.arange(40), N)).sum()
    assert [line for line in lines if "waits" in line] == [
        "following: 0 of 320 shots; waits for verdicts of ipca",
        f"following: 300 of 320 shots, {first} to begin with; waits for 100",
        "following: 300 of 320 shots; waits for more shots",
        "following: 320 of 320 shots; waits for the end of ipca",
    ]


def test_embedding__that_is_meant_stays_the_same_whatever_else_is_made(path, monkeypatch):
    even = np.arange(N) % 2 == 0
    mark(path, N)
    sorted_as(path, even)
    growing(monkeypatch, path, stopped)
    with held(path, "latent/ipca"), pytest.raises(KeyboardInterrupt):
        reconstruct(path, **OPTIONS)
    sorted_as(path, ~even, "earlier")  # by name
    with pytest.raises(InputError, match="begun otherwise"):
        reconstruct(path, **OPTIONS | {"embedding": "earlier"})
    found = reconstruct(path, **OPTIONS)
    assert (np.isfinite(found.log_likelihood.values) == even).all()
    assert Reconstruction(open_run(path), "emc").parameters.embedding == "ipca"


def test_embedding__that_was_found_first_is_looked_at_again(path):
    mark(path, N)
    follower = looking(path)
    with held(path, "latent/ipca"), held(path, "latent/earlier"):
        sorted_as(path, np.ones(300))
        assert follower._look().embedding == "ipca"
        sorted_as(path, np.zeros(300), "earlier")
        there = follower._look()
    assert (there.embedding, len(there.shots)) == ("ipca", 300)


def test_embedding__is_the_first_by_name_where_two_came_at_once(path):
    mark(path, N)
    follower = looking(path)
    with held(path, "latent/ipca"), held(path, "latent/earlier"):
        sorted_as(path, np.ones(300))
        sorted_as(path, np.zeros(300), "earlier")
        assert follower._look().embedding == "earlier"


def test_embedding__without_verdicts_is_not_waited_for(path, monkeypatch):
    mark(path, 200)
    shown = publishing(monkeypatch)
    growing(monkeypatch, path, lambda: plain("ipca"), stopped)

    def plain(name):
        Embedding(Run.open(path), name).publish(xr.Dataset(attrs={"n_shots": 200}))

    with held(path, "latent/ipca"), pytest.raises(KeyboardInterrupt):
        reconstruct(path, **OPTIONS)
    assert int(shown[0].used.sum()) == (~held_back(np.arange(200), N)).sum()


def test_verdicts__that_are_written_anew_are_read_again(path, monkeypatch):
    mark(path, N)
    monkeypatch.setattr(module, "BETWEEN_TRIES", 0.0)
    chosen, fails = module.chosen_of, [OSError("half a file"), KeyError("is_single")]

    def torn(*arguments):
        if fails:
            raise fails.pop()
        return chosen(*arguments)

    monkeypatch.setattr(module, "chosen_of", torn)
    follower = looking(path)
    assert follower._look().shots.tolist() == list(range(N))
    fails.extend([OSError("gone")] * module.TRIES)
    with pytest.raises(OSError, match="gone"):
        follower._look()


def test_embedding__that_nobody_goes_on_with_is_told(path, monkeypatch):
    mark(path, N)
    sorted_as(path, np.ones(250))
    with pytest.raises(RunError, match=r"the embedding ipca tells of 250 of 320 shots of .* embed again with over"):
        reconstruct(path, **OPTIONS)
    with pytest.raises(UnknownNameError, match="mine"):
        reconstruct(path, **OPTIONS | {"embedding": "mine"})


def test_shots__that_were_accepted_and_are_to_be_written_anew_are_left_out(path):
    sorted_as(path, np.ones(N))
    mark(path, 200)
    assert looking(path)._look().shots.tolist() == list(range(200))


def test_blocks_of_shots__stay_the_same_as_far_as_they_fit(path, monkeypatch):
    monkeypatch.setattr(module, "MOST_SHOTS", 60)
    follower = Follower(Reconstruction(Run.open(path), "emc"), *[None] * 6, progress=False)
    before = follower._wanted(np.arange(50))
    assert before.tolist() == np.flatnonzero(~held_back(np.arange(50), N)).tolist()
    for more in (80, 160, 320):
        now = follower._wanted(np.arange(more))
        assert len(now) == 60
        # each shot is as likely as any, and leaves once
        assert set(now[now < more // 2]) <= set(before) or more == 80
        assert abs((now < more // 2).sum() - 30) < 15
        before = now
    assert sorted(dealt(N)) == list(range(N))


def test_levels__are_those_that_shots_are_enough_for(path):
    levels = tuple(replace(schedule.schedule(34.0)[0], refinement=n) for n in (3, 6, 8, 10))
    follower = Follower(Reconstruction(Run.open(path), "emc"), *[None] * 3, levels, np.eye(1, 4), None, progress=False)
    assert [follower._allowed(n) for n in (20, 1356, 1358, 3300, 6300)] == [1, 1, 2, 3, 4]
