"""The table of a reproduction, as it is written, explained and printed."""

from __future__ import annotations

import csv
import io
import math
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from xfeldask.config import NUISANCES
from xfeldask.errors import printable
from xfeldask.physics.symmetry import SYMMETRY
from xfeldask.report.poster import curves
from xfeldask.report.poster.results import Row
from xfeldask.report.printing import console
from xfeldask.scores import Confusion

MOST_ORIENTED = 10_000
"""Single hits whose orientations are compared, drawn at random where a run has more."""
NEIGHBOURS = 10
ORIENTED = {"reference": "reference", "ours": "orientation"}
"""The embedding by which each rule's orientations are judged."""


def place(row: Row) -> tuple[Any, ...]:
    """Return where a row stands in the table, as a key to sort by.

    Examples
    --------
    >>> made_of = {"particle": "chaperonin", "detector": "square-64", "seed": 7}
    >>> place(Row("ideal", 1000, 0.9, "ours", Confusion(899, 1, 99, 1), *[0.5] * 10, **made_of))
    (0, 1000, 0.9, 1)
    """
    return [*NUISANCES].index(row.condition), row.shots, row.mixture, [*ORIENTED].index(row.rule)


def write_table(folder: Path, rows: list[Row]) -> None:
    """Replace the table, the page and the figure of all runs.

    Parameters
    ----------
    folder : Path, with a folder ``figures`` in it
    rows : list of `Row`, in the order of the table, both rules of each run

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "figures").mkdir()
    >>> made_of = {"particle": "chaperonin", "detector": "square-64", "seed": 7}
    >>> rows = [Row("ideal", 1000, 0.9, rule, Confusion(899, 1, 99, 1), *[0.5] * 10, **made_of) for rule in ORIENTED]
    >>> write_table(folder, rows)
    >>> from xfeldask.report.poster.results import read_table
    >>> list(read_table(folder, made_of).values()) == rows
    True
    """
    lines = [row.to_line() for row in rows]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    counts: dict[str, dict[str, Confusion]] = {}
    for row in rows:
        counts.setdefault(row.case.title, {})[row.rule] = row.confusion
    for name, text in (("reproduction.csv", out.getvalue()), ("reproduction.md", page(rows))):
        fresh = folder / f".{name}.new"
        fresh.write_text(text, "utf-8")
        fresh.replace(folder / name)
    curves.confusion(counts).savefig(folder / "figures" / "confusion.png", dpi=110)


COLUMNS: dict[str, Callable[[Row], str]] = {
    "run": lambda row: row.case.title,
    "rule": lambda row: row.rule,
    "singles accepted": lambda row: f"{row.confusion.singles_accepted:,} of {row.confusion.singles:,}",
    "multiples accepted": lambda row: f"{row.confusion.multiples_accepted:,} of {row.confusion.multiples:,}",
    "purity (%)": lambda row: _told(100 * row.confusion.purity, 3),
    "area under ROC": lambda row: _told(row.roc_auc, 5),
    "average precision": lambda row: _told(row.average_precision, 5),
    "of chance": lambda row: _told(row.baseline_average_precision, 3),
    "multiples rejected at 1 % (%)": lambda row: _told(100 * row.multiples_rejected_fraction_at_1_percent, 2),
    "singles rejected (%)": lambda row: _told(100 * row.confusion.singles_rejected_fraction, 2),
    "expected (%)": lambda row: _told(100 * row.expected_singles_rejected_fraction, 2),
    "calibration error": lambda row: _told(row.calibration_error, 4),
    "orientation (°)": lambda row: _told(row.orientation_error, 1),
    "of random": lambda row: _told(row.orientation_random, 1),
    "of the oracle": lambda row: _told(row.orientation_oracle, 1),
    "seconds": lambda row: _told(row.seconds, 0),
}
PRINTED = (
    "rule", "singles accepted", "multiples accepted", "purity (%)", "area under ROC", "multiples rejected at 1 % (%)",
    "orientation (°)",
)  # fmt: skip
"""Columns that a terminal has room for."""

ABOUT = """\
# A poster's mixtures, sorted again

{runs} runs of {particle} on {detector}, seed {seed}. Each mixes shots of one particle (singles) with shots of two
(multiples) as a poster of 2020 did: 80:20, 90:10, 95:5 and 99:1, 10,000 and 100,000 shots. For 99:1 and 100,000 shots
the poster reports 90,000 singles accepted and all 1,000 multiples rejected.

- **reference**, the poster's rule: images cropped in Fourier space, 3 components of incremental PCA in batches of
  100, an elliptic envelope that rejects 10 % of the shots whatever they are. It has to reject singles wherever fewer
  than 10 % of the shots are multiples, and to accept multiples wherever there are more. Unlike the poster's, the images
  are binned before they are cropped, and the PCA carries 20 components from batch to batch.
- **ours**, what `xfeldask embed` does unless told otherwise: 3 components of the counts, and the pair rule, which sets
  its threshold and its probabilities from the shots alone.

Neither has seen the truth; only this table has. Conditions: {conditions}.

{table}

What the columns mean:

- singles accepted, multiples accepted: shots that the verdict takes for singles, of all of that kind; purity is the
  fraction of singles among the accepted.
- area under ROC, average precision: of finding the multiples by the score, whatever the threshold; 1 is perfect. A
  random order has an area of 0.5, and the average precision "of chance", which is the fraction of multiples among the
  shots.
- multiples rejected at 1 %: by the threshold that rejects 1 % of the singles; a random order rejects 1 %.
- singles rejected, expected: by the verdict, and what the rule said without the truth that it would be; the envelope
  says nothing.
- calibration error: mean distance between the probability of a single that a shot was given and the fraction of singles
  among its like; the envelope gives no probability.
- orientation: median angle between a single hit and its {neighbours} nearest in a latent space, among at most {most:,}
  single hits; {symmetry}, and a pattern rotated by 180° about the beam counts as the same.
  "Of random" is that of shots drawn at random, "of the oracle" that of the truly nearest. For the reference in its own
  3 components; for ours in the embedding `orientation`, 20 components of unit-length square roots of the counts in
  bins twice as wide.
- seconds: wall clock of fit, projection and verdict; - where a run broke off after them.

`reproduction.csv` has the same without rounding; an empty field is a number that does not exist.

## Figures

- [all runs](figures/confusion.png)
{figures}
"""
CONDITIONS = {
    "ideal": "`ideal` has a constant fluence, so that two particles are also brighter than one",
    "jitter": "`jitter` has a fluence that varies by 20 % and a beam centre that moves by a pixel",
    "realistic": "`realistic` has particles anywhere in a Gaussian focus, pulses that vary by 22 %, a background, dead "
    "pixels and sizes that vary by 3 %",
}
FIGURES = {
    "detection": "ROC and precision",
    "latent": "latent spaces",
    "convergence": "convergence",
    "orientation": "orientation",
    "certainty": "scores and calibration",
}


def page(rows: list[Row]) -> str:
    """Write ``reproduction.md``, all that a reader needs to know about the rows of a table.

    Examples
    --------
    >>> made_of = {"particle": "chaperonin", "detector": "square-64", "seed": 7}
    >>> row = Row("ideal", 1000, 0.9, "ours", Confusion(899, 1, 99, 1), *[0.5] * 10, **made_of)
    >>> page([row]).splitlines()[0]
    "# A poster's mixtures, sorted again"
    """
    lines = [[*COLUMNS], ["---"] * len(COLUMNS), *([tell(row) for tell in COLUMNS.values()] for row in rows)]
    cases = list(dict.fromkeys(row.case for row in rows))
    known = SYMMETRY.get(rows[0].particle)
    links = [
        [f"[{what}](figures/{case.name}-{name}.png)" for name, what in FIGURES.items() if _drawn(name, row)]
        for case, row in ((row.case, row) for row in rows if row.rule == "ours")
    ]
    return ABOUT.format(
        runs=len(cases),
        particle=rows[0].particle,
        detector=rows[0].detector,
        seed=rows[0].seed,
        conditions="; ".join(CONDITIONS[name] for name in dict.fromkeys(case.condition for case in cases)),
        table="\n".join(f"| {' | '.join(line)} |" for line in lines),
        neighbours=NEIGHBOURS,
        most=MOST_ORIENTED,
        symmetry=f"the particle's symmetry {known} is allowed for"
        if known
        else "no symmetry of the particle is known here",
        figures="\n".join(f"- {case.title}: {', '.join(line)}" for case, line in zip(cases, links, strict=True)),
    )


def _drawn(name: str, row: Row) -> bool:
    """Tell whether a run has a figure: there is nothing to detect among shots of one kind."""
    return name != "detection" or (row.confusion.singles > 0 and row.confusion.multiples > 0)


def _told(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def print_table(rows: list[Row], folder: Path) -> None:
    """Print the table of a series, but for what a terminal has no room for.

    Examples
    --------
    >>> made_of = {"particle": "chaperonin", "detector": "square-64", "seed": 7}
    >>> row = Row("ideal", 1000, 0.9, "ours", Confusion(899, 1, 99, 1), *[0.5] * 10, **made_of)
    >>> print_table([row], Path("series"))  # doctest: +ELLIPSIS
    series: the poster's rule (reference) and ours...
    """
    table = Table(
        title=f"{printable(folder)}: the poster's rule (reference) and ours", title_justify="left", box=SIMPLE
    )
    for name in PRINTED:
        table.add_column(
            textwrap.fill(name, 9, break_long_words=False), justify="left" if name == "rule" else "right", no_wrap=True
        )
    for row in rows:
        if row.rule == "reference":
            table.add_section()
            table.add_row(row.case.title.replace(" shots", ""), style="bold")
        table.add_row(*(COLUMNS[name](row) for name in PRINTED))
    out = console()
    out.print(table)
    for what, name in (("told in full", "reproduction.md"), ("drawn", "figures")):
        out.print(f"{what}: {printable(folder / name)}", soft_wrap=True)
