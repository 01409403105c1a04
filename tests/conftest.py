"""Fixtures that all tests share."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import zarr

from tests.hasty import hurry
from tests.images import LAMBDA, two_panels
from tests.once import Once
from tests.small_stores import TAUGHT
from xfeldask import cli, embed, simulate
from xfeldask.physics.binning import ImageGrid, image_grid
from xfeldask.physics.detectors import builtin_geometry
from xfeldask.store import layout

SHARD_BYTES, CODEC_PIPELINE = layout.SHARD_BYTES, zarr.config.get("codec_pipeline.path")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with tests in a browser: one worker has them, with one server and browser; others share the rest."""
    items.sort(key=lambda item: "tests/explorer/browser/" not in item.nodeid)


def pytest_collection_finish() -> None:
    """Look for no garbage in what was imported and collected, a million objects that stay."""
    gc.freeze()


@pytest.fixture(autouse=True)
def settings_stay() -> Iterator[None]:
    """A test that changes a setting of the whole process puts it back."""
    yield
    assert layout.SHARD_BYTES == SHARD_BYTES
    assert zarr.config.get("codec_pipeline.path") == CODEC_PIPELINE


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and golden numbers beside the project."""
    path = Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip(f"{path} is not there")
    return path


@pytest.fixture(scope="session")
def processes() -> Iterator[ProcessPoolExecutor]:
    """A process for Dask, which would start others for each graph; it teaches in haste."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=hurry) as pool:
        yield pool


@pytest.fixture(scope="session")
def sorted_run(once: Once) -> Path:
    """A store as `TAUGHT` says, whose embedding named sorted was made with all defaults; not to be changed."""

    def make(path: Path) -> None:
        simulate(path, **TAUGHT, progress=False)
        embed(path, name="sorted", progress=False)

    return once("sorted.zarr", make)


@pytest.fixture(scope="module")
def pnccd() -> ImageGrid:
    """The grid of a real detector."""
    return image_grid(builtin_geometry("pnccd-amo86615"), LAMBDA, 8)


@pytest.fixture(scope="module")
def small() -> ImageGrid:
    """A grid with a gap, masked pixels and odd and even sides."""
    return image_grid(two_panels(3), LAMBDA, 2)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command line: exit code, stdout and stderr of a command and its arguments."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["xfeldask", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out = capsys.readouterr()
        return int(stop.value.code or 0), out.out, out.err

    return call
