"""Fixtures that all tests share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zarr

from tests.once import Once
from xfeldask import cli
from xfeldask.store import layout

SHARD_BYTES, CODEC_PIPELINE = layout.SHARD_BYTES, zarr.config.get("codec_pipeline.path")


@pytest.fixture(autouse=True)
def settings_stay() -> Iterator[None]:
    """A test that changes a setting of the whole process puts it back."""
    yield
    assert layout.SHARD_BYTES == SHARD_BYTES
    assert zarr.config.get("codec_pipeline.path") == CODEC_PIPELINE


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Once:
    """Makes a file or a folder once a session, for all workers of pytest-xdist: ``once("run", make)`` is its path."""
    base = tmp_path_factory.getbasetemp()
    return Once((base.parent if hasattr(request.config, "workerinput") else base) / "once")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and golden numbers beside the project."""
    path = Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip(f"{path} is not there")
    return path


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
