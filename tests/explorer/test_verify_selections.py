"""Stores that people have worked with are whole."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from xfeldask import embed, simulate
from xfeldask.explorer.model.session import Session
from xfeldask.store.results.selections import publish_selection
from xfeldask.store.run import open_run
from xfeldask.verbs.verify import verify

N = 500


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with an embedding that tells its history, and selections of both kinds, one of them replaced."""
    path = tmp_path_factory.mktemp("verify") / "run.zarr"
    two = [[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]
    simulate(path, particle=two, detector="square-32", n_shots=N, progress=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xfeldask.work.fitting.FIRST_LOOK", 100)
        embed(path, name="looked", history=True, batch_size=64, sort=None, progress=False)
    session = Session(path, "looked")
    session.choose_where("photon_count > 0 and c0 > 0")
    session.save("bright", write=True)
    session.choose(np.arange(N) % 7 == 0)
    for name in ("some", "bright"):
        publish_selection(session.shots.run, name, session.selected)
    return path


def test_verify__passes_a_store_with_selections_and_a_history(worked: Path) -> None:
    assert len(Session(worked, "looked").shots.checkpoints) > 1
    assert {name: int(found.sum()) for name, found in open_run(worked).selections.items()} == {
        "bright": -(-N // 7), "some": -(-N // 7),
    }  # fmt: skip
    report = verify(worked, progress=False)
    assert (report.n_shots, report.problems) == (N, ())


@pytest.mark.parametrize("name", ["selection/some/selected", "latent/looked/latent_history"])
def test_verify__finds_what_is_spoilt_in_them(worked: Path, tmp_path: Path, name: str) -> None:
    path = Path(shutil.copytree(worked, tmp_path / "run.zarr"))
    file = next(file for file in sorted((path / name / "c").rglob("*")) if file.is_file())
    file.write_bytes(bytes(byte ^ 0x55 for byte in file.read_bytes()))
    assert {problem.variable for problem in verify(path, progress=False).problems} == {name}
