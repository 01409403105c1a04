from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import xarray as xr

from tests.store.storage.test_leftovers import beside, dead_process
from xfeldask import embed, open_run, simulate, sort, verify
from xfeldask.errors import InputError, MissingFileError
from xfeldask.store.storage import leftovers as leftovers_module
from xfeldask.store.storage import publish
from xfeldask.store.storage.leftovers import leftovers, real_path, sweep_beside
from xfeldask.store.storage.publish import exchanged, let_go, publish_group, put_back, replaced, replaced_group

TWO = [[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]
RUN = {"particle": TWO, "detector": "square-32", "n_shots": 9, "progress": False}
KILLED = """
import os, signal, sys
from pathlib import Path
from xfeldask.store.storage import publish
from xfeldask.store.storage.publish import replaced

publish._renameat2 = lambda: None  # as on a system that cannot exchange two names
move = Path.replace

def killed(path, target):
    os.kill(os.getpid(), signal.SIGKILL)

Path.replace = killed
with replaced(Path(sys.argv[1])) as fresh:
    fresh.mkdir()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small store with an embedding; read only."""
    path = tmp_path_factory.mktemp("publish") / "run.zarr"
    simulate(path, **RUN)
    embed(path, n_components=2, sort=None, progress=False)
    return path


@pytest.fixture
def store(made, tmp_path):
    """A copy that may be changed."""
    return Path(shutil.copytree(made, tmp_path / "run.zarr"))


@pytest.fixture
def two_moves(monkeypatch):
    """The system cannot exchange two names in one step."""
    monkeypatch.setattr(publish, "_renameat2", lambda: None)


@pytest.fixture(params=["exchange", "two moves"])
def last_move_fails(monkeypatch, request):
    """The move of what is new into its place fails, as on a disk that went away."""
    if request.param == "two moves":
        request.getfixturevalue("two_moves")
    elif publish._renameat2() is not None:
        monkeypatch.setattr(publish, "_renameat2", lambda: lambda *_: ctypes.set_errno(5) or -1)

    def fail(path: Path, target: Path) -> Path:
        if path.name.endswith(".new"):
            raise OSError(5, "Input/output error")
        return move(path, target)

    move = Path.replace
    monkeypatch.setattr(Path, "replace", fail)


@pytest.mark.parametrize("way", ["exchange", "two moves"])
@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
def test_replaced__keeps_what_was_there_when_anything_fails(tmp_path, kind, way, request):
    if way == "two moves":
        request.getfixturevalue("two_moves")
    target = tmp_path / "thing"
    if kind == "folder":
        target.mkdir()
        (target / "old").touch()
    elif kind == "file":
        target.write_text("old")
    with pytest.raises(ZeroDivisionError), replaced(target) as fresh:
        fresh.write_text(str(1 / 0))
    assert beside(tmp_path / "thing") == []
    assert target.exists() == (kind != "nothing")
    with replaced(target) as fresh:
        fresh.mkdir() if kind == "folder" else fresh.write_text("new")
    assert beside(target) == []
    assert not (target / "old").exists()
    assert kind == "folder" or target.read_text() == "new"


def test_put_back__is_of_the_last_one_that_was_kept_whether_an_earlier_one_was_let_go_or_not(tmp_path):
    path = tmp_path / "run.zarr"
    for made in ("first", "second", "third"):
        with replaced_group(path, keep=True) as fresh:
            fresh.mkdir()
            (fresh / made).touch()
    put_back(path)
    let_go(path)
    assert [file.name for file in path.iterdir()] == ["second"]
    assert list(tmp_path.iterdir()) == [path]


def test_replaced__puts_no_file_into_the_place_of_a_folder_nor_the_reverse(tmp_path):
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    (folder / "notes.txt").touch()
    file.touch()
    with pytest.raises(IsADirectoryError), replaced(folder) as fresh:
        fresh.write_text("new")
    with pytest.raises(NotADirectoryError), replaced(file) as fresh:
        fresh.mkdir()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder", "notes.txt"]


@pytest.mark.usefixtures("last_move_fails")
def test_embed_and_sort__keep_the_old_embedding_when_the_last_move_fails(store):
    before = open_run(store).embedding("ipca").dataset().load()
    with pytest.raises(InputError, match=r"^cannot write .*latent/ipca: .*Input/output error.*; make room"):
        embed(store, n_components=1, sort=None, overwrite=True, progress=False)
    assert open_run(store).embedding("ipca").dataset().load().identical(before)
    assert beside(store) == []


@pytest.mark.usefixtures("last_move_fails")
def test_simulate__keeps_the_old_store_when_the_last_move_fails(store):
    with pytest.raises(InputError, match="cannot write"):
        simulate(store, **RUN | {"seed": 5}, overwrite=True)
    assert list(open_run(store).embeddings) == ["ipca"]
    assert beside(store) == []


@pytest.fixture
def killed_while_replacing(store):
    """A store whose embedding a killed process has moved away and not replaced."""
    process = subprocess.run([sys.executable, "-c", KILLED, str(store)], capture_output=True, text=True, check=False)
    assert process.returncode == -9, process.stderr
    return store


def test_sweep_beside__puts_back_what_a_killed_run_moved_away(killed_while_replacing):
    store = killed_while_replacing
    assert not store.exists()
    assert [found.target for found in leftovers(store)] == [store, store]
    sweep_beside(store)
    assert list(open_run(store).embeddings) == ["ipca"]
    assert beside(store) == []


def test_verify__names_what_a_killed_run_left_and_the_next_run_sweeps_it(store, monkeypatch):
    name = f".run.zarr.latent.ipca.{leftovers_module.HOST}-{dead_process()}"
    (store / "latent" / "ipca").rename(store.with_name(f"{name}.old"))
    store.with_name(f"{name}.new").mkdir()
    told = [(found.variable, found.what) for found in verify(store, progress=False).problems]
    assert [variable for variable, _ in told] == [f"{name}.new", f"{name}.old"]
    assert all("a run that was killed left it" in what for _, what in told)
    embed(store, name="other", n_components=1, sort=None, progress=False)
    assert sorted(open_run(store).embeddings) == ["ipca", "other"]
    assert beside(store) == []
    assert verify(store, progress=False).ok


def test_publish_group__through_a_link_to_another_file_system(made):
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == made.stat().st_dev:
        pytest.skip("no second file system that may be written")
    with tempfile.TemporaryDirectory(dir=shm) as there, tempfile.TemporaryDirectory() as here:
        shutil.copytree(made, Path(there, "real.zarr"))
        link = Path(here, "run.zarr")
        link.symlink_to(Path(there, "real.zarr"))
        embed(link, name="linked", n_components=1, sort=None, progress=False)
        assert sorted(open_run(link).embeddings) == ["ipca", "linked"]
        simulate(link, **RUN, overwrite=True)
        assert link.is_symlink()
        assert beside(Path(there, "real.zarr")) == []
        assert beside(link) == []


def test_publish_group__leaves_a_group_in_it_as_it_is(store):
    def file():
        return (store / "latent" / "ipca" / "estimator" / "zarr.json").stat().st_ino

    was = file()
    published_with_its_estimator_as_it_was(store)
    assert file() == was, "not written again"


def published_with_its_estimator_as_it_was(place):
    before = open_run(place).embeddings["ipca"]
    stays, found = before.parts(), before.stored().load().drop_encoding()
    assert list(stays) == ["estimator"]
    before.publish(found.assign(score=2 * found.latent[:, 0]), dict.fromkeys(stays))
    after = open_run(place).embeddings["ipca"]
    xr.testing.assert_identical(after.parts()["estimator"], stays["estimator"])
    assert "score" in after.stored()
    assert verify(place, progress=False).ok


def test_link__copies_where_a_file_has_one_name(tmp_path, monkeypatch):
    (tmp_path / "one" / "deep").mkdir(parents=True)
    (tmp_path / "one" / "deep" / "file").write_text("arrays")
    monkeypatch.setattr(publish.os, "link", lambda *_: os.fstat(-1))
    publish._link(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "other" / "deep" / "file").read_text() == "arrays"
    assert not (tmp_path / "other" / "deep" / "file").samefile(tmp_path / "one" / "deep" / "file")


def test_replaced__makes_new_things_beside_what_a_link_points_to(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.zarr"
    link.symlink_to(tmp_path / "real" / "run.zarr")
    with pytest.raises(MissingFileError, match=r"link.zarr is a link to .*run.zarr, which is not there"):
        real_path(link)
    (tmp_path / "real" / "run.zarr").mkdir()
    with replaced(link) as fresh:
        assert fresh.parent == (tmp_path / "real").resolve()
        fresh.mkdir()
    assert link.is_symlink()


def test_dangling_link__is_told_by_every_verb(tmp_path):
    link = tmp_path / "run.zarr"
    link.symlink_to(tmp_path / "gone.zarr")
    for verb in (open_run, embed, verify, sort, lambda path: simulate(path, **RUN)):
        with pytest.raises(MissingFileError, match=r"is a link to .*gone.zarr, which is not there"):
            verb(link)


def test_publish_group__refuses_a_store_that_may_not_be_written(store, monkeypatch):
    monkeypatch.setattr(xr.Dataset, "to_zarr", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(InputError, match=r"cannot write .*selection/a: .*No space left.*make room"):
        publish_group(store, "selection/a", xr.Dataset({"selected": ("shot", [True])}))
    assert beside(store) == []


def test_exchanged__leaves_no_moment_without_a_store(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        path.mkdir()
        (path / path.name).touch()
    if not exchanged(one, other):
        pytest.skip("this system cannot exchange two names")
    assert [found.name for path in (one, other) for found in path.iterdir()] == ["other", "one"]
    with pytest.raises(FileNotFoundError):
        exchanged(one, tmp_path / "none")


def test_replaced__killed_after_the_exchange_has_the_new_store_in_place(store):
    if publish._renameat2() is None:
        pytest.skip("this system cannot exchange two names")
    code = KILLED.replace("publish._renameat2 = lambda: None", "").replace(
        "Path.replace = killed", "publish.remove = lambda path: path.exists() and killed(path, path)"
    )
    process = subprocess.run([sys.executable, "-c", code, str(store)], capture_output=True, text=True, check=False)
    assert process.returncode == -9, process.stderr
    assert list(store.iterdir()) == []  # what the killed process wrote
    assert [(found.target, found.replaced) for found in leftovers(store)] == [(store, False)]
    sweep_beside(store)
    assert beside(store) == []


def test_reading__finds_a_store_that_a_killed_run_had_moved_away(killed_while_replacing):
    assert list(open_run(killed_while_replacing).embeddings) == ["ipca"]


def test_overwrite__of_a_link_acts_on_what_it_points_to_every_time(store):
    link = store.with_name("link.zarr")
    link.symlink_to(store)
    for seed in (5, 6):
        simulate(link, **RUN | {"seed": seed}, overwrite=True)
        assert link.is_symlink()
        assert open_run(store).attributes["seed"] == seed
    assert beside(store) == ["link.zarr"]
