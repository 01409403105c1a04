"""What embeddings and reconstructions share, on a run of a few shots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.tiny import frames, tiny_run
from xfeldask.errors import CorruptStoreError, InputError, MissingFileError, UnknownNameError
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.made import Made
from xfeldask.store.results.reconstruction import Reconstruction
from xfeldask.store.run import Run

KINDS = (Embedding, Reconstruction)


def publish(kind: type[Made], run: object, name: str, **attributes: object) -> Made:
    found = kind(run, name)
    found.publish(xr.Dataset({"values": ("shot", np.arange(4))}, attrs={"n_shots": run.n_shots, **attributes}))
    return kind(run, name)


@pytest.mark.parametrize("kind", KINDS)
def test_chosen__is_the_one_asked_for_or_the_only_one(kind: type[Made], tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run.zarr", frames(), experiment_digest="this one")
    with pytest.raises(MissingFileError, match=f"has no {kind.word}; make one with xfeldask {kind.command}"):
        kind.chosen(run, None)
    publish(kind, run, "a")
    assert kind.chosen(run, None).name == "a"
    publish(kind, run, "b")
    assert list(kind.all_of(run)) == ["a", "b"]
    assert kind.chosen(run, "b").name == "b"
    with pytest.raises(InputError, match=f"has the {kind.word}s a, b; say which"):
        kind.chosen(run, None)
    with pytest.raises(InputError, match=r"say which with embedding= \(--embedding\)"):
        kind.chosen(run, None, "embedding")
    with pytest.raises(UnknownNameError, match=f"unknown {kind.word} 'c'; known: a, b"):
        kind.chosen(run, "c")


@pytest.mark.parametrize("kind", KINDS)
def test_refuse_unknown__says_how_to_make_one_where_there_is_none(kind: type[Made], tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run.zarr", frames(), experiment_digest="this one")
    kind.refuse_unknown(run, None)
    with pytest.raises(UnknownNameError, match=f"'nobody'; .* has none; make one with xfeldask {kind.command} "):
        kind.refuse_unknown(run, "nobody")
    publish(kind, run, "a")
    kind.refuse_unknown(run, "a")
    with pytest.raises(UnknownNameError, match=f"unknown {kind.word} 'nobody'; known: a"):
        kind.refuse_unknown(run, "nobody")


@pytest.mark.parametrize("kind", KINDS)
def test_made__of_another_run_is_refused(kind: type[Made], tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run.zarr", frames(), experiment_digest="this one")
    found = publish(kind, run, "a")
    assert found.fits
    assert found.dataset()["values"].values.tolist() == [0, 1, 2, 3]
    group = Run.open(run.path, "r+").group[found.group_path]
    group.attrs["run"] = "another"
    with pytest.raises(CorruptStoreError, match=f"the {kind.word} a was made from the shots of another run"):
        kind(run, "a").dataset()
    group.attrs.update(run=run.identity, n_shots=run.n_shots + 1)
    assert not kind(run, "a").fits


def test_reconstruction__of_fewer_shots_than_there_are_now_does_not_fit(tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run.zarr", frames(), experiment_digest="this one")
    assert not publish(Reconstruction, run, "a", n_shots=run.n_shots - 1).fits
    assert publish(Embedding, run, "a", n_shots=run.n_shots - 1).fits
