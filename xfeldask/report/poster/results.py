"""What a reproduction found, a line for each run and rule, to and from its file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from xfeldask.errors import InputError
from xfeldask.scores import Confusion


@dataclass(frozen=True)
class Case:
    """One mixture: `shots` of them, of which the fraction `mixture` holds one particle, the rest two.

    Examples
    --------
    >>> Case("ideal", 10_000, 0.99).title
    'ideal, 10,000 shots, 99:1'
    """

    condition: str
    shots: int
    mixture: float

    @property
    def name(self) -> str:
        """Name of its store and its figures."""
        return f"{self.condition}-{self.shots}-{self.mixture}"

    @property
    def title(self) -> str:
        """Name for people."""
        return f"{self.condition}, {self.shots:,} shots, {100 * self.mixture:g}:{100 * (1 - self.mixture):g}"


@dataclass(frozen=True)
class Row:
    """What one rule makes of one run, a line of ``reproduction.csv``; NaN, an empty field, where there is nothing.

    The file has the four counts of `confusion` and the purity in columns of their own.

    Attributes
    ----------
    condition, shots, mixture : of the `Case`
    rule : str
    confusion : Confusion
    roc_auc, average_precision, multiples_rejected_fraction_at_1_percent : float, of finding multiples by the score,
        the last by the threshold that rejects 1 % of the singles
    baseline_average_precision : float, of a random order; that of `roc_auc` is 0.5, that of the last 0.01
    expected_singles_rejected_fraction : float, by the rule's own account and without the truth
    calibration_error : float, mean distance of a probability of a single from the fraction of singles
    orientation_error, orientation_random, orientation_oracle : float [deg], see `OrientationScores`
    seconds : float, that fit, projection and verdict took
    particle, detector, seed : of the simulation

    Examples
    --------
    >>> made_of = {"particle": "chaperonin", "detector": "square-64", "seed": 7}
    >>> row = Row("ideal", 1000, 0.9, "ours", Confusion(899, 1, 99, 1), *[0.5] * 10, **made_of)
    >>> row.to_line()["multiples_rejected"], row.to_line()["purity"]
    ('99', '0.9988888888888889')
    >>> Row.from_line(row.to_line()) == row
    True
    """

    condition: str
    shots: int
    mixture: float
    rule: str
    confusion: Confusion
    roc_auc: float
    average_precision: float
    baseline_average_precision: float
    multiples_rejected_fraction_at_1_percent: float
    expected_singles_rejected_fraction: float
    calibration_error: float
    orientation_error: float
    orientation_random: float
    orientation_oracle: float
    seconds: float
    particle: str
    detector: str
    seed: int

    @property
    def case(self) -> Case:
        """What was run."""
        return Case(self.condition, self.shots, self.mixture)

    def to_line(self) -> dict[str, str]:
        """Return the fields of the file by name."""
        told: dict[str, Any] = {}
        for name, value in asdict(self).items():
            told |= {**value, "purity": self.confusion.purity} if name == "confusion" else {name: value}
        return {name: "" if value != value else _as_text(value) for name, value in told.items()}

    @classmethod
    def from_line(cls, line: Mapping[str, str]) -> Self:
        """Read the fields of the file, those of an older one too.

        Raises
        ------
        KeyError, ValueError, TypeError
            A field that is missing, or no such value.
        """
        line = _renamed(line)
        kinds: dict[str, Callable[[str], Any]] = {
            "int": int,
            "str": _from_text,
            "float": lambda text: float(text or "nan"),
        }
        counted = Confusion(**{f.name: int(line[f.name]) for f in fields(Confusion)})
        rest = {f.name: kinds[str(f.type)](line[f.name]) for f in fields(cls) if f.name != "confusion"}
        return cls(confusion=counted, **rest)


FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def _as_text(value: object) -> str:
    """Return a value as a cell of a table that is text to spreadsheets too."""
    return f"'{value}" if isinstance(value, str) and value.startswith((*FORMULA, "'")) else str(value)


def _from_text(cell: str) -> str:
    return cell.removeprefix("'")


OLD_NAMES = {
    "singles_kept": "singles_accepted",
    "others_let_in": "multiples_accepted",
    "caught_at_1_percent_lost": "multiples_rejected_fraction_at_1_percent",
    "expected_singles_lost": "expected_singles_rejected_fraction",
}
"""Columns of tables that were written before they had their names of today."""


def _renamed(line: Mapping[str, str]) -> Mapping[str, str]:
    if "singles_kept" not in line:
        return line
    counts = {
        "singles_rejected": str(int(line["singles"]) - int(line["singles_kept"])),
        "multiples_rejected": str(int(line["others"]) - int(line["others_let_in"])),
    }
    return {OLD_NAMES.get(name, name): value for name, value in line.items()} | counts


def read_table(folder: Path, made_of: Mapping[str, Any]) -> dict[tuple[Case, str], Row]:
    """Read ``reproduction.csv`` of a folder, nothing if it is not there.

    Parameters
    ----------
    folder : Path
    made_of : mapping, particle, detector and seed that all rows must have

    Raises
    ------
    InputError
        The file is no such table, or holds another series.

    Examples
    --------
    >>> read_table(Path("nowhere"), {"seed": 7})
    {}
    """
    path = folder / "reproduction.csv"
    if not path.exists():
        return {}
    try:
        rows = [Row.from_line(line) for line in csv.DictReader(io.StringIO(path.read_text("utf-8")))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no table of this command ({error}); move it away") from None
    for row in rows:
        for name, asked in made_of.items():
            if getattr(row, name) != asked:
                raise InputError(f"{folder} holds a series of {name} {getattr(row, name)}, asked {asked}; "
                                 "use another folder")  # fmt: skip
    return {(row.case, row.rule): row for row in rows}
