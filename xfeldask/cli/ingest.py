"""`xfeldask ingest`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xfeldask.cli.flags import FILE, STORE, scheduler_options
from xfeldask.errors import InputError
from xfeldask.store.storage.urls import StorePath


def frames_options(function: Any) -> Any:
    """Add the flags that say how frames are read to a command.

    Examples
    --------
    >>> [option.name for option in click.command()(frames_options(lambda **flags: None)).params][:3]
    ['format', 'detector', 'pixel_size']
    """
    options = [
        click.option("--format", help="Kind of frames, where the files themselves do not tell."),
        click.option(
            "--detector",
            help="Where the pixels are: built-in name, square-N, flat-ROWSxCOLUMNS, a file of psana, Dragonfly or "
            "CrystFEL, or a store.",
        ),
        click.option("--pixel-size", type=float, help="Edge of a pixel in m, where the detector does not tell."),
        click.option("--distance", type=float, help="Distance of the detector in m, where it does not tell."),
        click.option(
            "--wavelength",
            type=float,
            help="Wavelength in m, of files that do not tell it, or in its place; a .geom may tell it too.",
        ),
        click.option(
            "--mask",
            multiple=True,
            help="Mask of the detector, true where a pixel is good: .npy, FILE.npz:/NAME, FILE.h5:/NAME or .byt; write "
            "bad: before a file that marks bad pixels. May be given several times.",
        ),
        click.option(
            "--photonize", metavar="GAIN", help="ADU of a photon, or a .npy file of it for each pixel, of files in ADU."
        ),
        click.option("--dark", help="ADU of no photon: .npy file of each pixel's."),
        click.option(
            "--common-mode", help="Pixels that share one: row, half_row, or asic:ROWSxCOLUMNS.  [default: none]"
        ),
        click.option("--threshold", type=float, help="Photons from which one is counted.  [default: 0.7]"),
        click.option(
            "--background",
            help="Background of a shot: blanks, to measure it on the blank ones, or a file of its photons in each "
            "pixel or of a profile (n, 2): .npy, FILE.npz:/NAME or FILE.h5:/NAME.",
        ),
        click.option(
            "--copy/--no-copy",
            default=True,
            help="Whether photons are copied into the store, or stay in the files and are read there.  [default: copy]",
        ),
        click.option(
            "--photon-dtype", help="Type of the photon counts: uint8, uint16 or uint32.  [default: as the files ask]"
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def frames_keywords(flags: dict[str, Any]) -> dict[str, Any]:
    """Turn the flags of `frames_options` into keywords of `ingest`.

    Raises
    ------
    InputError
        Flags that need another one.

    Examples
    --------
    >>> flags = dict.fromkeys(("detector", "pixel_size", "distance", "photonize", "dark", "common_mode", "threshold"))
    >>> frames_keywords({**flags, "detector": "square-64", "mask": (), "format": None})
    {'mask': None, 'format': None, 'geometry': {'source': 'square-64'}, 'photonize': None}
    """
    rest = dict(flags)
    parts = {"source": rest.pop("detector"), "pixel_size": rest.pop("pixel_size"), "distance": rest.pop("distance")}
    geometry = {name: value for name, value in parts.items() if value is not None} or None
    if geometry is not None and "source" not in geometry:
        raise InputError("pixel_size and distance are of a detector; name one with --detector")
    adu = [rest.pop(name) for name in ("photonize", "dark", "common_mode", "threshold")]
    rest["mask"] = rest["mask"] or None
    return rest | {"geometry": geometry, "photonize": photonize_flags(*adu)}


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.argument("store", type=STORE)
@frames_options
@click.option("--histogram", type=FILE, help="File for a figure of the histogram of ADU, .png, .pdf or .svg.")
@scheduler_options
@click.option("--resume", is_flag=True, help="Finish a store that was interrupted.")
@click.option("--overwrite", is_flag=True, help="Replace a store that is there already.")
@click.option("--dry-run", is_flag=True, help="Say what the run would take, and write nothing.")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
def ingest(
    sources: tuple[str, ...], store: StorePath, histogram: Path | None, scheduler: str, workers: int | None,
    resume: bool, overwrite: bool, dry_run: bool, quiet: bool, **flags: Any,
) -> None:  # fmt: skip
    """Read the frames of SOURCE... into STORE."""
    from xfeldask.report.printing import print_estimate, print_run
    from xfeldask.verbs.ingest import estimate_ingest
    from xfeldask.verbs.ingest import ingest as run
    from xfeldask.work.schedulers import scheduled

    chosen = frames_keywords(flags) | {"resume": resume, "overwrite": overwrite}
    if dry_run:
        print_estimate(estimate_ingest(sources, store, **chosen), workers)
        return
    if histogram is not None:
        from xfeldask.report.figure_files import refuse_no_picture, write_figure
        from xfeldask.report.photon_peaks import photon_histogram
        from xfeldask.store.run import Run

        if chosen["photonize"] is None:
            raise InputError("--histogram is of ADU; say how many a photon has with --photonize, or leave it out")
        refuse_no_picture(histogram)
    with scheduled(scheduler, workers, quiet), print_run(store, quiet):
        run(sources, store, progress=not quiet, **chosen)
    if histogram is not None:
        write_figure(photon_histogram(Run.open(store)), histogram)


def photonize_flags(
    gain: str | None, dark: str | None, common_mode: str | None, threshold: float | None
) -> dict[str, Any] | None:
    """Turn flags into parts of `xfeldask.config.Photonize`; None without a gain.

    Raises
    ------
    InputError
        Another flag without a gain, or ASICs without their size.

    Examples
    --------
    >>> photonize_flags("8", None, "asic:64x128", None)
    {'gain': 8.0, 'common_mode': 'asic', 'asic': (64, 128)}
    """
    more: dict[str, Any] = {"dark": dark, "common_mode": common_mode, "threshold": threshold}
    given = {name: value for name, value in more.items() if value is not None}
    if gain is None:
        if given:
            raise InputError(f"--{next(iter(given)).replace('_', '-')} needs --photonize, the ADU of a photon")
        return None
    try:
        parts: dict[str, Any] = {"gain": float(gain)}
    except ValueError:
        parts = {"gain": gain}
    if common_mode is not None and common_mode.startswith("asic"):
        rows, _, columns = common_mode.removeprefix("asic").removeprefix(":").partition("x")
        if not (rows.isdigit() and columns.isdigit()):
            raise InputError(f"common mode {common_mode!r}: write asic:ROWSxCOLUMNS, such as asic:64x128")
        given |= {"common_mode": "asic", "asic": (int(rows), int(columns))}
    return parts | given
