"""Flags that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xfeldask.errors import InputError

STORE = click.Path(path_type=Path)


def experiment_options(function: Any) -> Any:
    """The flags that make an experiment."""
    options = [
        click.option(
            "--experiment", "experiment_file", type=STORE, help="Experiment file (TOML); flags replace parts."
        ),
        click.option("--particle", help="Built-in name (chaperonin), structure file, or PDB id."),
        click.option("--assembly", help="Biological assembly, or asymmetric-unit.  [default: 1]"),
        click.option("--beam", help="Built-in name or .beam file.  [default: amo86615]"),
        click.option("--detector", help="Built-in name, square-N, or psana .data file.  [default: pnccd-amo86615]"),
        click.option("--mask", help=".npy file (panel, ss, fs), true where a pixel is good."),
        click.option("--n-shots", type=int, help="Number of shots."),
        click.option("--single-fraction", type=float, help="Part of shots with one particle; others hold two."),
        click.option("--hits", help="0.99, or 0:0.05,1:0.9,2:0.05, or poisson:0.1."),
        click.option("--nuisance", help="ideal, jitter or realistic.  [default: ideal]"),
        click.option("--orientations", help="random, uniform:COUNT, or a .npy file.  [default: random]"),
        click.option("--seed", type=int, help="Of all random numbers.  [default: 0]"),
        click.option("--engine", help="xfeldask or skopi.  [default: xfeldask]"),
        click.option("--intensity/--no-intensity", default=None, help="Store expected photons too."),
        click.option("--photon-dtype", help="uint8 or uint16.  [default: uint8]"),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def scheduler_options(function: Any) -> Any:
    """The flags that choose who computes."""
    function = click.option("--workers", type=click.IntRange(min=1), help="Threads or processes.  [default: cores]")(
        function
    )
    return click.option(
        "--scheduler",
        default="local",
        show_default=True,
        help="local (threads, with dashboard), processes (with dashboard), threads, synchronous, or tcp://HOST:PORT.",
    )(function)


def keywords(flags: dict[str, Any]) -> dict[str, Any]:
    """Flags turned into keywords of `simulate`."""
    from xfeldask.config import Experiment

    given = {k: v for k, v in flags.items() if v is not None}
    file = given.pop("experiment_file", None)
    out: dict[str, Any] = {"experiment": None if file is None else Experiment.from_toml(file)}
    if "assembly" in given:
        out["particle"] = {"source": given.pop("particle", "chaperonin"), "assembly": given.pop("assembly")}
    if "mask" in given:
        out["detector"] = {"source": given.pop("detector", "pnccd-amo86615"), "mask": given.pop("mask")}
    if "orientations" in given:
        out["orientations"] = orientations_flag(given.pop("orientations"))
    return out | given


def orientations_flag(text: str) -> dict[str, Any]:
    """``random``, ``uniform:1000`` or a path."""
    if text == "random":
        return {"kind": "random"}
    kind, _, count = text.partition(":")
    if kind == "uniform":
        if not count.isdigit():
            raise InputError(f"orientations {text!r}: write uniform:COUNT, such as uniform:10000")
        return {"kind": "uniform", "count": int(count)}
    return {"kind": "list", "source": text}
