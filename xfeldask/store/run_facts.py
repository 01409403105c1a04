"""What a person wants to know of a run first, in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xfeldask.store.elsewhere import KEY
from xfeldask.store.intake import stored_intake

if TYPE_CHECKING:
    from xfeldask.store.run import Run


def run_facts(run: Run) -> dict[str, str]:
    """Return what a person wants to know first, by name."""
    layout, geometry = run.layout, run.geometry
    distance = geometry.pixel_position[..., 2].mean()
    shards = f"{layout.n_shards:,} shard" + "s" * (layout.n_shards != 1)
    return {
        "shots": f"{int(run.done().sum()):,} of {layout.n_shots:,} done, {shards}",
        "detector": f"{_size(layout.pixels)} pixels of {geometry.pixel_size * 1e6:g} um, {distance * 1e3:g} mm away",
        "beam": f"{run.photon_energy:g} eV, {run.wavelength * 1e10:.4g} angstrom",
        "images": f"image {_size(layout.image)}, low_q {_size(layout.low_q)}",
        "source": _source(run),
        **({} if (known := run.known_background) is None else {"background": known.told}),
        "embeddings": ", ".join(run.embeddings) or "none",
        "reconstructions": ", ".join(run.reconstructions) or "none",
        "selections": ", ".join(run.selections) or "none",
    }


def _source(run: Run) -> str:
    experiment, intake = run.experiment, stored_intake(run.group)
    if experiment is not None:
        told = ", ".join(run.species) or run.attributes.get("particle")
        return f"simulated from {told}, seed {experiment.seed}"
    if intake is None:
        return "not simulated"
    more = f" and {len(intake.sources) - 1} more" if len(intake.sources) > 1 else ""
    left = ", where photons are left" if KEY in run.attributes else ""
    return f"ingested from {Path(intake.sources[0]).name}{more}, {intake.format}{left}"


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
