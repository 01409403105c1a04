"""The main job from nothing to pictures, with what is built in."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from xfeldask.errors import InputError, command, printable
from xfeldask.report.figures import latent_scatter, montage
from xfeldask.report.printing import bytes_text, console, facts, size_on_disk
from xfeldask.scores import Confusion
from xfeldask.verbs.embed import embed
from xfeldask.verbs.simulate import simulate


def demonstrate(folder: Path, n_shots: int = 10_000, overwrite: bool = False) -> None:
    """Simulate 99 % single and 1 % double hits of the chaperonin, embed, sort, and draw.

    Parameters
    ----------
    folder : Path, made if it is not there; holds ``run.zarr`` and two pictures afterwards
    n_shots : int
    overwrite : bool, replace an earlier demo

    Raises
    ------
    InputError
        The folder cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     demonstrate(Path(file.name) / "demo")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    xfeldask.errors.InputError: cannot make the folder ...: Not a directory
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error
    store = folder / "run.zarr"
    start = time.monotonic()
    ds = simulate(store, particle="chaperonin", n_shots=n_shots, single_fraction=0.99, seed=7, overwrite=overwrite)
    simulated = time.monotonic() - start
    latent = embed(store, n_components=3, method="ipca", history=True)
    embedded = time.monotonic() - start - simulated
    pictures = {"patterns": folder / "patterns.png", "latent space": folder / "latent.png"}
    for figure, path in zip((montage(ds), latent_scatter(ds, latent)), pictures.values(), strict=True):
        figure.savefig(path, dpi=110)
    counted = Confusion.of(ds.n_particles.values == 1, latent.is_single.values)
    rows = {
        "simulated and stored": f"{n_shots:,} shots of {ds.photons[0].size:,} pixels in {simulated:.1f} s with "
        f"start-up, {n_shots / simulated:,.0f} a second",
        "on disk": f"{bytes_text(size_on_disk(store))} for {bytes_text(ds.photons.nbytes)} of photons",
        "embedded and sorted": f"{embedded:.1f} s",
        "singles accepted": f"{counted.singles_accepted:,} of {counted.singles:,}",
        "doubles rejected": f"{counted.multiples_rejected:,} of {counted.multiples:,}",
        **{name: str(path) for name, path in pictures.items()},
    }
    out = console()
    out.print(facts("the demo's run", rows))
    out.print(
        "Nobody told how many doubles there were, or which: the rule made its own from the shots that look single."
    )
    out.print("go on with:")
    own = "mine.zarr --particle structure.pdb --n-shots 10000 --nuisance realistic"
    for words in (
        *((_program("xfeldask"), verb, store) for verb in ("explore", "sort", "inspect", "verify")),
        (_program("xfeldask"), "simulate", *own.split()),
    ):
        out.print(f"  {command(*words)}", soft_wrap=True)
    python = f'{_program("python")} -c "import xfeldask; print(xfeldask.open_dataset({str(store)!r}))"'
    out.print(f"  {printable(python)}", soft_wrap=True)


def _program(name: str) -> str:
    """Return how this environment's program is called from here."""
    mine = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    if found and Path(found) == mine:
        return name
    return os.path.relpath(mine)
