"""The table of a reproduction: its rows, and how they are kept, told and printed."""

from __future__ import annotations

import csv
import io
import math
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from xfeldask.config import NUISANCES
from xfeldask.errors import InputError
from xfeldask.physics.symmetry import SYMMETRY
from xfeldask.report.poster import curves
from xfeldask.report.printing import console

MOST_ORIENTED = 10_000
"""Single hits whose orientations are compared, drawn at random where a run has more."""
NEIGHBOURS = 10
ORIENTED = {"reference": "reference", "ours": "orientation"}
"""The embedding by which each rule's orientations are judged."""


@dataclass(frozen=True)
class Run:
    """One mixture: `shots` of them, of which the part `mixture` holds one particle, the others two."""

    condition: str
    shots: int
    mixture: float

    @property
    def name(self) -> str:
        """Of its store and its figures."""
        return f"{self.condition}-{self.shots}-{self.mixture}"

    @property
    def title(self) -> str:
        """For a reader."""
        return f"{self.condition}, {self.shots:,} shots, {100 * self.mixture:g}:{100 * (1 - self.mixture):g}"


@dataclass(frozen=True)
class Row:
    """What one rule makes of one run, a line of ``reproduction.csv``; NaN, an empty field, where there is nothing.

    Attributes
    ----------
    condition, shots, mixture : of the `Run`
    rule : str
    singles, others : int, shots with one particle, and all others
    singles_kept, others_let_in : int
    purity : float, part of the kept that are singles
    roc_auc, average_precision, caught_at_1_percent_lost : float, of finding the others by the score
    baseline_average_precision : float, of a random order; that of `roc_auc` is 0.5, that of the last 0.01
    expected_singles_lost : float, part of the singles, by the rule's own account and without the truth
    calibration_error : float, mean distance of a probability of a single from the part of singles
    orientation_error, orientation_random, orientation_oracle : float [deg], see `OrientationScores`
    seconds : float, that fit, projection and verdict took
    particle, detector, seed : of the simulation
    """

    condition: str
    shots: int
    mixture: float
    rule: str
    singles: int
    others: int
    singles_kept: int
    others_let_in: int
    purity: float
    roc_auc: float
    average_precision: float
    baseline_average_precision: float
    caught_at_1_percent_lost: float
    expected_singles_lost: float
    calibration_error: float
    orientation_error: float
    orientation_random: float
    orientation_oracle: float
    seconds: float
    particle: str
    detector: str
    seed: int

    @property
    def run(self) -> Run:
        """Where it belongs."""
        return Run(self.condition, self.shots, self.mixture)


def read_table(folder: Path, made_of: Mapping[str, Any]) -> dict[tuple[Run, str], Row]:
    """What ``reproduction.csv`` of a folder holds, nothing if it is not there; another series is refused."""
    path = folder / "reproduction.csv"
    if not path.exists():
        return {}
    kinds: dict[str, Callable[[str], Any]] = {"int": int, "str": str, "float": lambda text: float(text or "nan")}
    try:
        lines = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
        rows = [Row(**{f.name: kinds[str(f.type)](line[f.name]) for f in fields(Row)}) for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no table of this command ({error}); move it away") from None
    for row in rows:
        for name, asked in made_of.items():
            if getattr(row, name) != asked:
                raise InputError(f"{folder} holds a series of {name} {getattr(row, name)}, asked {asked}; "
                                 "use another folder")  # fmt: skip
    return {(row.run, row.rule): row for row in rows}


def place(row: Row) -> tuple[Any, ...]:
    """Where a row stands in the table."""
    return [*NUISANCES].index(row.condition), row.shots, row.mixture, [*ORIENTED].index(row.rule)


def write_table(folder: Path, rows: list[Row]) -> None:
    """Replace the table, the page and the figure of all runs."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [f.name for f in fields(Row)], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if value != value else value for name, value in asdict(row).items()})
    counts: dict[str, dict[str, curves.Counts]] = {}
    for row in rows:
        of_run = curves.Counts(row.singles_kept, row.singles, row.others_let_in, row.others)
        counts.setdefault(row.run.title, {})[row.rule] = of_run
    for name, text in (("reproduction.csv", out.getvalue()), ("reproduction.md", page(rows))):
        fresh = folder / f".{name}.new"
        fresh.write_text(text, "utf-8")
        fresh.replace(folder / name)
    curves.confusion(counts).savefig(folder / "figures" / "confusion.png", dpi=110)


COLUMNS: dict[str, Callable[[Row], str]] = {
    "run": lambda row: row.run.title,
    "rule": lambda row: row.rule,
    "singles kept": lambda row: f"{row.singles_kept:,} of {row.singles:,}",
    "others let in": lambda row: f"{row.others_let_in:,} of {row.others:,}",
    "purity (%)": lambda row: _told(100 * row.purity, 3),
    "area under ROC": lambda row: _told(row.roc_auc, 5),
    "average precision": lambda row: _told(row.average_precision, 5),
    "of chance": lambda row: _told(row.baseline_average_precision, 3),
    "caught at 1 % lost (%)": lambda row: _told(100 * row.caught_at_1_percent_lost, 2),
    "singles lost (%)": lambda row: _told(100 - 100 * row.singles_kept / max(row.singles, 1), 2),
    "expected (%)": lambda row: _told(100 * row.expected_singles_lost, 2),
    "calibration error": lambda row: _told(row.calibration_error, 4),
    "orientation (deg)": lambda row: _told(row.orientation_error, 1),
    "of random": lambda row: _told(row.orientation_random, 1),
    "of the oracle": lambda row: _told(row.orientation_oracle, 1),
    "seconds": lambda row: _told(row.seconds, 0),
}
PRINTED = (
    "rule", "singles kept", "others let in", "purity (%)", "area under ROC", "caught at 1 % lost (%)",
    "orientation (deg)",
)  # fmt: skip
"""Columns that a terminal has room for."""

ABOUT = """\
# A poster's mixtures, sorted again

{runs} runs of {particle} on {detector}, seed {seed}. Each mixes shots of one particle (singles) with shots of two
(others) as a poster of 2020 did: 80:20, 90:10, 95:5 and 99:1, 10,000 and 100,000 shots. For 99:1 and 100,000 shots the
poster reports 90,000 singles kept and all 1,000 others flagged.

- **reference**, the poster's rule: images cropped in Fourier space, 3 components of incremental PCA in batches of
  100, an elliptic envelope that flags 10 % of the shots whatever they are. It has to lose singles wherever fewer than
  10 % of the shots are others, and to let others in wherever there are more. Unlike the poster's, the images are
  binned before they are cropped, and the PCA carries 20 components from batch to batch.
- **ours**, what `xfeldask embed` does unless told otherwise: 3 components of the counts, and the pair rule, which sets
  its threshold and its probabilities from the shots alone.

Neither has seen the truth; only this table has. Conditions: {conditions}.

{table}

What the columns mean:

- singles kept, others let in: shots that the verdict keeps, of all of that kind; purity is the part of singles among
  the kept.
- area under ROC, average precision: of finding the others by the score, whatever the threshold; 1 is perfect. A random
  order has an area of 0.5, and the average precision "of chance", which is the part of others among the shots.
- caught at 1 % lost: others flagged by the threshold that costs 1 % of the singles; a random order catches 1 %.
- singles lost, expected: what the verdict cost, and what the rule said without the truth that it would; the envelope
  says nothing.
- calibration error: mean distance between the probability of a single that a shot was given and the part of singles
  among its like; the envelope gives no probability.
- orientation: median angle between a single hit and its {neighbours} nearest in a latent space, among at most {most:,}
  single hits; {symmetry}, and a pattern turned by 180 deg about the beam counts as the same.
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
    """``reproduction.md``, all that a reader needs to know about the rows of a table."""
    lines = [[*COLUMNS], ["---"] * len(COLUMNS), *([tell(row) for tell in COLUMNS.values()] for row in rows)]
    runs = list(dict.fromkeys(row.run for row in rows))
    known = SYMMETRY.get(rows[0].particle)
    links = [
        [f"[{what}](figures/{run.name}-{name}.png)" for name, what in FIGURES.items() if _drawn(name, row)]
        for run, row in ((row.run, row) for row in rows if row.rule == "ours")
    ]
    return ABOUT.format(
        runs=len(runs),
        particle=rows[0].particle,
        detector=rows[0].detector,
        seed=rows[0].seed,
        conditions="; ".join(CONDITIONS[name] for name in dict.fromkeys(run.condition for run in runs)),
        table="\n".join(f"| {' | '.join(line)} |" for line in lines),
        neighbours=NEIGHBOURS,
        most=MOST_ORIENTED,
        symmetry=f"the particle's symmetry {known} is allowed for"
        if known
        else "no symmetry of the particle is known here",
        figures="\n".join(f"- {run.title}: {', '.join(line)}" for run, line in zip(runs, links, strict=True)),
    )


def _drawn(name: str, row: Row) -> bool:
    """Whether a run has a figure: there is nothing to detect among shots of one kind."""
    return name != "detection" or (row.singles > 0 and row.others > 0)


def _told(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def print_table(rows: list[Row], folder: Path) -> None:
    """Print the table of a series, but for what a terminal has no room for."""
    table = Table(title=f"{folder}: the poster's rule (reference) and ours", title_justify="left", box=SIMPLE)
    for name in PRINTED:
        table.add_column(
            textwrap.fill(name, 9, break_long_words=False), justify="left" if name == "rule" else "right", no_wrap=True
        )
    for row in rows:
        if row.rule == "reference":
            table.add_section()
            table.add_row(f"[bold]{row.run.title.replace(' shots', '')}")
        table.add_row(*(COLUMNS[name](row) for name in PRINTED))
    out = console()
    out.print(table)
    out.print(f"told in full: {folder / 'reproduction.md'}\ndrawn: {folder / 'figures'}", soft_wrap=True)
