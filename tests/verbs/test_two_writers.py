"""Two writers on one store: one of them works, the other says why not, and nothing is mixed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.threads import elsewhere
from xfeldask import embed, open_run, project, simulate, sort
from xfeldask.engines import workshop
from xfeldask.errors import CorruptStoreError, InputError, RunError, StoreBusyError, StoreExistsError
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.results import made as made_module
from xfeldask.verbs import simulate as simulate_module
from xfeldask.verbs.parts import pending as pending_module
from xfeldask.verbs.parts import simulation_template
from xfeldask.verbs.verify import reopen, verify

ATOMS = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7}
RUN = {"particle": ATOMS, "detector": "square-32", "beam": BRIGHT, "n_shots": 60, "progress": False}
EMBED = {"n_components": 2, "sort": None, "progress": False}
COMMAND = """
import sys
import numpy as np
from xfeldask import simulate
particle = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
simulate(sys.argv[1], particle=particle, detector="square-32", n_shots=60, seed=int(sys.argv[2]), progress=False,
         overwrite="overwrite" in sys.argv)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("two") / "run.zarr"
    simulate(path, **RUN)
    return path


@pytest.fixture
def store(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "run.zarr"))


def paused(monkeypatch, module, name, then):
    """Another writer comes when a function is called, before it does anything."""
    function, waiting = getattr(module, name), [then]

    def first(*args, **kwargs):
        if waiting:
            waiting.pop()()
        return function(*args, **kwargs)

    monkeypatch.setattr(module, name, first)


def whole(path, seed):
    """Whether the store is that of a seed, to the last byte."""
    report = verify(path, recompute=60, progress=False)
    assert report.ok, report
    assert open_run(path).experiment.seed == seed


@pytest.mark.parametrize(
    ("name", "overwrite"),
    [
        ("_write_truth", True),
        ("run_pending", False),
        *(
            pytest.param(name, overwrite, marks=pytest.mark.campaign)
            for name in ("publish_template", "_write_truth", "run_pending", "pending_shards")
            for overwrite in (False, True)
        ),
    ],
)
def test_simulate__of_two_at_once_the_second_is_refused(monkeypatch, tmp_path, name, overwrite):
    raised = []
    path = tmp_path / "run.zarr"

    def second():
        raised.extend(elsewhere(lambda: simulate(path, **RUN, seed=2, overwrite=overwrite)))

    modules = {"pending_shards": pending_module, "_write_truth": simulation_template}
    paused(monkeypatch, modules.get(name, simulate_module), name, second)
    simulate(path, **RUN, seed=1)
    (error,) = raised
    assert isinstance(error, StoreBusyError | StoreExistsError)
    assert "\n" not in str(error)
    whole(path, 1)


@pytest.mark.campaign
@pytest.mark.parametrize("words", [[], ["overwrite"]])
def test_simulate__of_two_commands_leave_the_store_of_one(tmp_path, words):
    path = tmp_path / "run.zarr"
    both = [
        subprocess.Popen([sys.executable, "-c", COMMAND, path, str(seed), *words], stderr=subprocess.PIPE, text=True)
        for seed in (1, 2)
    ]
    errors = [process.communicate()[1] for process in both]
    done = [seed for seed, process in zip((1, 2), both, strict=True) if process.returncode == 0]
    assert done, errors
    for process, told in zip(both, errors, strict=True):
        assert process.returncode == 0 or "StoreBusyError" in told or "StoreExistsError" in told
    whole(path, done[0] if len(done) == 1 else open_run(path).experiment.seed)
    assert [found.name for found in tmp_path.iterdir()] == ["run.zarr"]


def test_shard__is_not_written_into_a_store_that_was_replaced(store, monkeypatch):
    run = open_run(store, mode="r+")
    before = {file: file.read_bytes() for file in store.rglob("c/*") if file.is_file()}
    simulate(store, **RUN | {"seed": 3}, overwrite=True)
    after = {file: file.read_bytes() for file in store.rglob("c/*") if file.is_file()}
    with pytest.raises(RunError, match="was replaced by another run meanwhile"):
        workshop.simulate_shard(run, 0)
    assert {file: file.read_bytes() for file in store.rglob("c/*") if file.is_file()} == after
    assert before.keys() == after.keys()
    whole(store, 3)


def test_embed__of_a_store_that_is_replaced_meanwhile_is_not_put_into_the_new_one(store, monkeypatch):
    embed_module = sys.modules["xfeldask.verbs.embed"]
    paused(monkeypatch, embed_module, "draft", lambda: simulate(store, **RUN | {"seed": 3}, overwrite=True))
    with pytest.raises(RunError, match="was replaced by another run meanwhile; nothing was written"):
        embed(store, **EMBED)
    assert list(open_run(store).embeddings) == []
    whole(store, 3)


def test_embed__of_a_store_that_is_replaced_while_it_is_published_goes(store, monkeypatch):
    publish_group = made_module.publish_group

    def late(path, place, found, parts):
        simulate(path, **RUN | {"seed": 3}, overwrite=True)
        publish_group(path, place, found, parts)

    monkeypatch.setattr(made_module, "publish_group", late)
    with pytest.raises(RunError, match="was replaced"):
        embed(store, **EMBED)
    assert list(open_run(store).embeddings) == []


def test_embed__of_a_store_that_is_replaced_before_a_move_says_so(store, monkeypatch):
    def moved_away(path, place, *_):
        simulate(path, **RUN | {"seed": 3}, overwrite=True)
        raise InputError(f"cannot write {path / place}: no such folder; make room")

    monkeypatch.setattr(made_module, "publish_group", moved_away)
    with pytest.raises(RunError, match="was replaced by another run meanwhile"):
        embed(store, **EMBED)


def test_embed__that_fails_because_the_store_was_replaced_says_so(store, monkeypatch):
    embed_module = sys.modules["xfeldask.verbs.embed"]

    def of_nothing(*_):
        simulate(store, **RUN | {"seed": 3}, overwrite=True)
        raise InputError("no envelope fits the coordinates")

    monkeypatch.setattr(embed_module, "fit_model", of_nothing)
    with pytest.raises(RunError, match="was replaced by another run meanwhile"):
        embed(store, **EMBED)


def test_embed__of_shots_that_are_drawn_again_meanwhile_is_refused(store, monkeypatch):
    embed_module = sys.modules["xfeldask.verbs.embed"]

    def damage():
        file = store / "photons" / "c" / "0" / "0" / "0" / "0"
        file.write_bytes(file.read_bytes()[:-9])
        reopen(store, verify(store, progress=False))

    paused(monkeypatch, embed_module, "draft", damage)
    with pytest.raises(RunError, match="are being written anew; nothing was written, begin again when it is complete"):
        embed(store, **EMBED)
    assert list(open_run(store).embeddings) == []


def test_embed__of_one_name_at_once_is_refused_to_the_second(store, monkeypatch):
    embed_module, raised = sys.modules["xfeldask.verbs.embed"], []
    paused(monkeypatch, embed_module, "fit_model", lambda: raised.extend(elsewhere(lambda: embed(store, **EMBED))))
    embed(store, **EMBED)
    (error,) = raised
    assert isinstance(error, StoreBusyError)
    assert "latent/ipca is being written by process" in str(error)
    assert open_run(store).embedding("ipca").is_current
    embed(store, **EMBED, name="other")
    for late in (lambda: embed(store, **EMBED, overwrite=True), lambda: project(store, "other", store, as_name="ipca")):
        raised.clear()
        paused(monkeypatch, embed_module, "fit_model", lambda late=late: raised.extend(elsewhere(late)))
        embed(store, **EMBED, overwrite=True)
        assert isinstance(raised[0], StoreBusyError | StoreExistsError)
        assert open_run(store).embedding("ipca").is_current


def test_readers__refuse_an_embedding_of_another_run(store, tmp_path):
    embed(store, **EMBED)
    other = tmp_path / "other.zarr"
    simulate(other, **RUN | {"seed": 4})
    shutil.copytree(store / "latent", other / "latent")
    told = "the embedding ipca was made from the shots of another run; embed again with overwrite=True"
    for read in (
        lambda: sort(other, "ipca", max_singles_lost=0.1),
        lambda: project(other, "ipca", store, as_name="again"),
        lambda: Shots.of(open_run(other), "ipca"),
    ):
        with pytest.raises(CorruptStoreError, match=told):
            read()
    assert Shots.of(open_run(other)).embedding is None
    embed(other, **EMBED, overwrite=True)
    assert open_run(other).embedding("ipca").is_current
