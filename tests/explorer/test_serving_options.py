"""What a command line says that an explorer's server is to show."""

from __future__ import annotations

from pathlib import Path

from xfeldask.explorer.serving_options import STORE, Options, read_options


def test_read_options__takes_arguments_and_else_the_environment() -> None:
    words = ["serve", "--store", "a", "--store=b", "--embedding", "pca", "--allow-write", "--port"]
    assert read_options(words, {STORE: "c"}) == Options((Path("a"), Path("b")), "pca", allow_write=True)
    assert read_options(["--embedding=pca"], {STORE: "c"}) == Options((Path("c"),), "pca")
    assert read_options([], {}) == read_options(["--store"], {STORE: ""}) == Options(())
