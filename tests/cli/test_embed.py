"""`xfeldask embed`."""

from pathlib import Path

from tests.cli.small import SMALL


def test_embed__prints_the_verdict_against_the_truth(run, tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    run("simulate", store, *SMALL, "--n-shots", "60", "--single-fraction", "0.9", "--quiet")
    envelope = ["--sort", "elliptic_envelope", "--features", "fourier_crop:n=16", "--scheduler", "threads"]
    code, out, _ = run("embed", store, *envelope)
    assert code == 0
    assert "54 single, 6 multiple, 0 blank" in out
    assert "singles accepted" in out
    code, _, err = run("embed", store, *envelope)
    assert code == 2
    assert "--overwrite" in err
    assert run("embed", store, "--features", "fourier_crop:n", "--name", "b")[0] == 2
    code, _, err = run("embed", store, "--name", "b", "--labels", tmp_path / "no.npy")
    assert (code, "no labels file" in err) == (2, True)
    code, _, err = run("kinds", store, "--labels", tmp_path / "no.npy")
    assert (code, "no labels file" in err) == (2, True)
