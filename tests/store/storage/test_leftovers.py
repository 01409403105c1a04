from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from xfeldask.errors import MissingFileError
from xfeldask.store.storage import leftovers as module
from xfeldask.store.storage.leftovers import leftovers, real_path, remove, sweep_beside


@pytest.fixture
def store(tmp_path):
    """A folder in the place of a store: what lies beside one is found by names alone."""
    path = tmp_path / "run.zarr"
    (path / "latent").mkdir(parents=True)
    return path


def beside(path: Path) -> list[str]:
    return sorted(found.name for found in path.parent.iterdir() if found.name != path.name)


def test_sweep_beside__leaves_what_is_being_written_and_other_stores(store):
    other = store.with_name(f".run.zarr.new.{module.HOST}-{os.getpid()}.new")
    foreign = [store.with_name(".run.zarr2.host-1.old"), store.with_name(".run.zarr.notes")]
    for path in (other, *foreign):
        path.mkdir()
    sweep_beside(store)
    assert leftovers(store) == []
    assert beside(store) == sorted(path.name for path in (other, *foreign))


def dead_process() -> int:
    """Number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_leftovers__of_another_computer_are_left_for_a_while(store):
    left = store.with_name(".run.zarr.latent.ipca.elsewhere-7.new")
    left.mkdir()
    assert leftovers(store) == []
    os.utime(left, (1e9, 1e9))
    assert [found.path for found in leftovers(store)] == [left]


@pytest.mark.parametrize("place", ["", "latent/ipca"])
def test_sweep_beside__puts_back_what_was_moved_away_and_removes_what_was_new(store, place):
    target = store / place
    for kind in ("old", "new"):
        left = module.beside(store, target, kind)
        left = left.with_name(left.name.replace(f"-{os.getpid()}.", f"-{dead_process()}."))
        left.mkdir()
        (left / kind).touch()
    if not place:
        remove(store)
    assert [(found.target, found.replaced) for found in leftovers(store)] == [(target, False), (target, True)] or [
        (found.target, found.replaced) for found in leftovers(store)
    ] == [(target, True), (target, False)]
    sweep_beside(store)
    assert [path.name for path in target.iterdir()] == ["old"]
    assert beside(store) == []


def test_sweep_beside__removes_a_group_whose_store_is_gone(store):
    store.with_name(f".run.zarr.latent.ipca.{module.HOST}-{dead_process()}.old").mkdir()
    remove(store)
    sweep_beside(store)
    assert list(store.parent.iterdir()) == []


def test_sweep_beside__puts_back_a_store_before_a_group_of_it(store):
    dead = dead_process()
    # a host whose name comes after that of the group
    (store.parent / f".run.zarr.latent.ipca.zzz-{dead}.old").mkdir()
    store.rename(store.parent / f".run.zarr.zzz-{dead}.old")
    for path in store.parent.iterdir():
        os.utime(path, (1e9, 1e9))
    sweep_beside(store)
    assert [path.name for path in (store / "latent").iterdir()] == ["ipca"]
    assert beside(store) == []


def test_sweep_beside__takes_nothing_from_a_store_whose_name_begins_alike(store):
    left = store.with_name(f".run.zarr.{module.HOST}-{dead_process()}.old")
    store.rename(left)
    other = store.with_name("run")
    other.mkdir()
    sweep_beside(other)
    assert left.is_dir()
    assert list(other.iterdir()) == []


def test_sweep_beside__keeps_what_has_been_replaced(store):
    left = store.with_name(f".run.zarr.{module.HOST}-{dead_process()}.old")
    left.mkdir()
    sweep_beside(store)
    assert [path.name for path in store.iterdir()] == ["latent"]
    assert beside(store) == []


def test_remove__takes_the_link_and_not_what_it_points_to(store):
    link = store.with_name("link.zarr")
    link.symlink_to(store)
    remove(link)
    remove(link)
    assert store.is_dir()
    assert beside(store) == []


def test_real_path__of_a_link_to_nothing_is_told(store):
    link = store.with_name("link.zarr")
    link.symlink_to("gone.zarr")
    with pytest.raises(MissingFileError, match=r"link\.zarr is a link to gone\.zarr, which is not there"):
        real_path(link)
    assert real_path(store.with_name("new.zarr")) == store.with_name("new.zarr")
