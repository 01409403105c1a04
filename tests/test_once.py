"""What workers share is made by one of them, whole."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.once import Once

WORKER = """
import sys, uuid
from pathlib import Path
from tests.once import Once

def make(path):
    path.mkdir()
    for name in "abc":
        (path / name).write_text(str(uuid.uuid4()))

found = Once(Path(sys.argv[1]))("thing", make)
print([(found / name).read_text() for name in "abc"])
"""


def test_once__gives_workers_that_ask_at_the_same_time_the_same_thing(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, tmp_path], stdout=subprocess.PIPE, text=True,
                         cwd=Path(__file__).parents[1])
        for _ in range(4)
    ]  # fmt: skip
    told = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4
    assert len(set(told)) == 1


def test_once__leaves_nothing_of_what_failed(tmp_path: Path) -> None:
    once = Once(tmp_path)

    def fail(path: Path) -> None:
        path.mkdir()
        (path / "half").touch()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        once("thing", fail)
    assert not (tmp_path / "thing").exists()
    assert list(once("thing", Path.mkdir).iterdir()) == []


def test_once__is_the_same_folder_for_every_worker(once: Once, tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.getbasetemp()
    assert once.folder.parent == (base.parent if base.name.startswith("popen-") else base)
