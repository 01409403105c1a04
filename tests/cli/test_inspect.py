"""`xfeldask inspect`."""

from pathlib import Path


def test_inspect__names_every_variable_with_its_unit(run, store: Path) -> None:
    code, out, _ = run("inspect", store)
    assert code == 0
    assert all(word in out for word in ("photons", "orientation", "um-2", "angstrom-1", "complete", "12 of 12 done"))
