"""DAMNIT context: each run's hits are sorted, and the table shows how many are single, and what they look like.

Copy it into the context file of the proposal. Python of the context needs xfeldask:
damnit db-config context_python /path/to/python
"""

from pathlib import Path

from damnit_ctx import Cell, Skip, Variable

HITS, STORES = "scratch/saved_hits", "scratch/xfeldask"
MODEL = None
"""Name of a store in STORES whose model is applied to every run; None to embed each run by itself."""


@Variable(title="Sorted hits", data="proc", cluster=True, transient=True)
def sorted_hits(run, number: "meta#run_number", proposal: "meta#proposal_path"):
    """Summary of a run that went from its hits to its report; what was done already is not done again."""
    from xfeldask import process

    hits, stores = (Path(proposal, folder) for folder in (HITS, STORES))
    source = hits / f"r{number:04d}_hits.cxi"
    if not source.exists():
        raise Skip(f"there is no {source}")
    stores.mkdir(parents=True, exist_ok=True)
    return process(source, stores / f"r{number:04d}.zarr", model=MODEL and stores / MODEL, progress=False)


@Variable(title="Hits", cluster=True, data="proc")
def hits(run, summary: "var#sorted_hits"):
    """Shots that the hit finder saved."""
    return summary["shots"]


@Variable(title="Single hits", cluster=True, data="proc")
def single_hits(run, summary: "var#sorted_hits"):
    """Shots that are accepted as single hits; green where most hits are."""
    single, shots = summary["single"], summary["shots"]
    told = f"{single:,} ({single / max(shots, 1):.0%})"
    return Cell(single, summary_value=told, background="#d8f0d8" if single > shots / 2 else None)


@Variable(title="Powder of single hits", cluster=True, data="proc")
def powder(run, summary: "var#sorted_hits"):
    """Mean pattern of the accepted shots [photons a bin], the beam in the middle, x to the right and y up."""
    from xfeldask import open_dataset, select

    shots = select(summary["store"], "is_single", summary["embedding"])
    return open_dataset(summary["store"]).image[shots].mean("shot")[::-1].compute() if len(shots) else None


@Variable(title="Report", cluster=True, data="proc")
def report(run, summary: "var#sorted_hits"):
    """Where the HTML report of the run is."""
    return summary["report"]
