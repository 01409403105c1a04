"""`xfeldask demo`."""

from pathlib import Path


def test_demo__ends_with_a_table_two_pictures_and_commands(run, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    code, out, _ = run("demo", folder, "--n-shots", "300", "--scheduler", "threads")
    assert code == 0
    assert "singles accepted" in out
    assert "go on with" in out
    for picture in ("patterns.png", "latent.png"):
        assert (folder / picture).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert run("demo", folder, "--n-shots", "300", "--scheduler", "threads")[0] == 2
