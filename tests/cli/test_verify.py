"""`xfeldask verify`."""

from pathlib import Path

import numpy as np

from tests.cli.small import SMALL


def test_verify__a_flipped_bit_is_code_1_and_names_the_shot(run, store: Path) -> None:
    assert run("verify", store, "--scheduler", "threads")[0] == 0
    shard = store / "photons" / "c" / "0" / "0" / "0" / "0"
    data = bytearray(shard.read_bytes())
    data[10] ^= 4
    shard.write_bytes(data)
    code, _, err = run("verify", store, "--scheduler", "threads")
    assert code == 1
    assert "photons" in err
    assert "0" in err


def test_verify__reopened_shards_of_an_ingested_store_are_read_again(run, tmp_path: Path) -> None:
    np.save(tmp_path / "run.npy", np.ones((6, 16, 16), np.uint8))
    ingested = ["ingest", tmp_path / "run.npy", tmp_path / "run.zarr", "--detector", "square-16", "--wavelength", 2e-10]
    ingested += ["--scheduler", "threads", "--quiet"]
    assert run(*ingested)[0] == 0
    (tmp_path / "run.zarr/photons/c/0/0/0/0").unlink()
    code, _, err = run("verify", tmp_path / "run.zarr", "--scheduler", "threads", "--reopen")
    assert (code, "shards to read again with ingest --resume: 1" in err) == (1, True)
    assert run(*ingested, "--resume")[0] == 0
    assert run("verify", tmp_path / "run.zarr", "--scheduler", "threads")[0] == 0


def test_verify__reopened_shards_are_drawn_again_byte_for_byte(run, store: Path) -> None:
    before = {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}
    (store / "photons" / "c" / "0" / "0" / "0" / "0").unlink()
    code, _, err = run("verify", store, "--scheduler", "threads", "--reopen")
    assert code == 1
    assert "shards to draw again with simulate --resume: 1" in err
    assert run("embed", store, "--scheduler", "threads")[0] == 2
    assert run("simulate", store, *SMALL, "--quiet", "--resume")[0] == 0
    assert {p: p.read_bytes() for p in store.rglob("*") if p.is_file()} == before
    assert run("verify", store, "--scheduler", "threads")[0] == 0
