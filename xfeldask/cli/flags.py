"""Flags that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xfeldask.errors import InputError
from xfeldask.store.storage.urls import local, store_path

if TYPE_CHECKING:
    from xfeldask.config import Experiment


class _PathOrURL(click.Path):
    """A path, or the URL of a store that is elsewhere."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and "://" in value:
            return store_path(value)
        return super().convert(value, param, ctx)


class _LocalPath(_PathOrURL):
    """A path of a file that is written."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return local(super().convert(value, param, ctx), str(param.name if param else "it"))


STORE = _PathOrURL(path_type=Path)
FILE = _LocalPath(path_type=Path)


SEED = "Seed of all random numbers."
OVERWRITE_EMBEDDING = "Replace an embedding of that name."
QUIET = "Print nothing but errors."


def experiment_options(function: Any) -> Any:
    """Add the flags that make an experiment to a command.

    Examples
    --------
    >>> command = click.command()(experiment_options(lambda **flags: None))
    >>> [option.name for option in command.params][:3]
    ['experiment_file', 'particle', 'species']
    """
    options = [
        click.option(
            "--experiment", "experiment_file", type=STORE,
            help="Experiment file (TOML), of which the other flags replace single values.",
        ),
        click.option("--particle", help="Particle: built-in name (chaperonin), structure file, or PDB id."),
        click.option(
            "--species", multiple=True, metavar="NAME=SOURCE[:WEIGHT]",
            help="One of several species in the beam, the wanted one first; repeat it for each.",
        ),
        click.option("--wanted", help="Name of the species that is wanted.  [default: the first]"),
        click.option(
            "--assembly", help="Biological assembly of the structure, or asymmetric-unit.  [default: 1]"
        ),
        click.option("--beam", help="Beam: built-in name or .beam file.  [default: amo86615]"),
        click.option(
            "--detector",
            help="Detector: built-in name, square-N, CrystFEL .geom, psana .data, Dragonfly's file, or a store.  "
            "[default: pnccd-amo86615]",
        ),
        click.option("--mask", help="Mask of the detector: .npy file (panel, ss, fs), true where a pixel is good."),
        click.option(
            "--response", help="How the detector reads photons: pnccd, agipd, jungfrau or epix10k.  "
            "[default: every photon is counted]",
        ),
        click.option("--adu", is_flag=True, default=None, help="Store what the detector reads, in ADU, too."),
        click.option("--n-shots", type=int, help="Number of shots to simulate."),
        click.option(
            "--single-fraction", type=float, help="Fraction of the shots that holds one particle; the rest holds two."
        ),
        click.option("--hits", help="Particles in a shot: 0.99, or 0:0.05,1:0.9,2:0.05, or poisson:0.1."),
        click.option("--nuisance", help="Experimental conditions: ideal, jitter or realistic.  [default: ideal]"),
        click.option(
            "--background",
            help="Where background photons fall: gas, uniform, or a .npy file; --nuisance realistic or an experiment "
            "file say how many.  [default: uniform]",
        ),
        click.option(
            "--orientations",
            help="Orientations of the particles: random, uniform:COUNT, or a .npy file.  [default: random]",
        ),
        click.option("--seed", type=click.IntRange(min=0), help=f"{SEED}  [default: 0]"),
        click.option("--engine", help="Program that draws the photons: xfeldask or skopi.  [default: xfeldask]"),
        click.option("--intensity/--no-intensity", default=None, help="Store the expected photons of each pixel too."),
        click.option("--photon-dtype", help="Type of the photon counts: uint8 or uint16.  [default: uint8]"),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def device_option(which: str = "that does the work", default: str = "auto") -> Callable[[Any], Any]:
    """Return what adds the flag that chooses the device to a command.

    Examples
    --------
    >>> [option.name for option in click.command()(device_option()(lambda **flags: None)).params]
    ['device']
    """
    told = f"Device {which}: cpu, cuda, or auto, which takes a GPU where one is found."
    return click.option("--device", default=default, show_default=True, help=told)


def processes_on(scheduler: str, device: str) -> list[str]:
    """Return the GPUs that have a process each: those that are seen, if processes are to work on a device.

    Examples
    --------
    >>> processes_on("threads", "cuda"), processes_on("processes", "cpu")
    ([], [])
    """
    from xfeldask.devices import visible_gpus

    return visible_gpus() if scheduler == "processes" and device != "cpu" else []


def scheduler_options(function: Any) -> Any:
    """Add the flags that choose where the work runs to a command.

    Examples
    --------
    >>> [option.name for option in click.command()(scheduler_options(lambda **flags: None)).params]
    ['scheduler', 'workers']
    """
    workers = click.option(
        "--workers", type=click.IntRange(min=1), help="Number of threads or processes to use.  [default: all cores]"
    )
    scheduler = click.option(
        "--scheduler",
        default="auto",
        show_default=True,
        help="Dask scheduler: local (threads) or processes, both with a dashboard, threads, synchronous, "
        "tcp://HOST:PORT of a running one, or auto, which is threads for a run of no more shards than --workers, "
        "as one of few shots is, and local for more.",
    )
    return scheduler(workers(function))


def keywords(flags: dict[str, Any]) -> dict[str, Any]:
    """Turn flags into keywords of `simulate`.

    Examples
    --------
    >>> keywords({"seed": 3, "orientations": "uniform:100", "beam": None, "experiment_file": None})
    {'experiment': None, 'seed': 3, 'orientations': {'kind': 'uniform', 'count': 100}}
    """
    from xfeldask.config import Experiment
    from xfeldask.config.species import species_flags

    given = {k: v for k, v in flags.items() if v is not None and v != ()}
    file = given.pop("experiment_file", None)
    experiment = None if file is None else Experiment.from_toml(local(file, "an experiment file"))
    if "species" in given:
        given["species"] = species_flags(given["species"])
    if "assembly" in given:
        given["particle"] = _particle_flags(given.pop("assembly"), given, experiment)
    if "mask" in given or (experiment is not None and "detector" in given):
        given["detector"] = _detector_flags(given.pop("mask", None), given.get("detector"), experiment)
    if given.pop("adu", None):
        given["response"] = _adu_flags(given.get("response"), experiment)
    if "orientations" in given:
        given["orientations"] = orientations_flag(given["orientations"])
    return {"experiment": experiment, **given}


def _particle_flags(assembly: str, given: dict[str, Any], experiment: Experiment | None) -> dict[str, Any]:
    """Return parts of the particle: those of the experiment, but for what flags replace."""
    of_file = None if experiment is None else experiment.particle
    if "species" in given or (of_file is None and experiment is not None and "particle" not in given):
        raise InputError("--assembly is of one particle; give that of species in an experiment file")
    if "particle" in given or of_file is None:
        return {"source": given.get("particle", "chaperonin"), "assembly": assembly}
    return {**of_file.model_dump(exclude={"digest"}), "assembly": assembly}


def _detector_flags(mask: str | None, source: str | None, experiment: Experiment | None) -> dict[str, Any]:
    """Return parts of the detector; of another than that of the experiment, its response alone is kept."""
    kept = {} if experiment is None else experiment.detector.model_dump(exclude={"digest"}, exclude_none=True)
    if source not in (None, kept.get("source")):
        kept = {name: value for name, value in kept.items() if name == "response"} | {"source": source}
    return kept if mask is None else {**kept, "mask": mask}


def _adu_flags(response: str | None, experiment: Experiment | None) -> dict[str, Any]:
    """Return parts of a response of which ADU are stored."""
    own = None if experiment is None else experiment.detector.response
    if response is None and own is None:
        raise InputError("--adu stores what the detector reads; say how it does, such as --response pnccd")
    return {**({"preset": response} if response is not None or own is None else own.model_dump()), "adu": True}


def orientations_flag(text: str) -> dict[str, Any]:
    """Read ``random``, ``uniform:1000`` or a path.

    Raises
    ------
    InputError
        ``uniform`` without a number.

    Examples
    --------
    >>> orientations_flag("uniform:1000")
    {'kind': 'uniform', 'count': 1000}
    """
    if text == "random":
        return {"kind": "random"}
    kind, _, count = text.partition(":")
    if kind == "uniform":
        if not count.isdigit():
            raise InputError(f"orientations {text!r}: write uniform:COUNT, such as uniform:10000")
        return {"kind": "uniform", "count": int(count)}
    return {"kind": "list", "source": text}
