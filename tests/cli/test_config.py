"""`xfeldask config`."""

from pathlib import Path

import xarray as xr


def test_config__what_it_writes_runs_and_gives_the_same_digest(run, tmp_path: Path) -> None:
    file = tmp_path / "e.toml"
    flags = ["--particle", "chaperonin", "--detector", "square-64", "--n-shots", "12", "--nuisance", "realistic"]
    assert run("config", file, *flags)[0] == 0
    code, out, _ = run("config", file, "--check")
    assert code == 0
    assert "12 shots" in out
    code, out, err = run("config", file, "--check", "--particle", "nonsense", "--n-shots", "5", "--experiment", file)
    assert (code, out) == (2, "")
    assert "as it is; leave out --particle, --n-shots, --experiment" in err
    for words in (
        ["s3://beamtime/e.toml"],
        ["s3://beamtime/e.toml", "--check"],
        [tmp_path / "f.toml", "--experiment", "s3://beamtime/e.toml"],
    ):
        code, out, err = run("config", *words)
        assert (code, out) == (2, "")
        assert "an experiment file is written into a folder, not into s3://beamtime/e.toml" in err
    for name, more in (("a.zarr", ["--experiment", file]), ("b.zarr", flags)):
        assert run("simulate", tmp_path / name, *more, "--scheduler", "threads", "--quiet")[0] == 0
    digests = {xr.open_zarr(tmp_path / f"{n}.zarr", consolidated=False).attrs["experiment_digest"] for n in "ab"}
    assert len(digests) == 1
    assert run("config", file, *flags)[0] == 2
    file.write_text("n_shots = 3\nparticle = ")
    assert run("config", file, "--check")[0] == 2
