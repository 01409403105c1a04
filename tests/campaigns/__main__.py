"""Attack the package for a time, and count what came of it.

    python -m tests.campaigns --minutes 60
    python -m tests.campaigns flips kills --minutes 5 --seed 3

Campaigns take turns, so that each has the same part of the time. Prints each fault as it is found and a table at the
end; exits with 1 when one was found.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from random import Random

from tests.campaigns import ends, flips, grammars, killing, kills, races
from tests.campaigns.attempt import BAD, Outcome
from xfeldask.errors import FewPhotonsWarning

CAMPAIGNS = {
    "kills": kills.attempts,
    "flips": flips.attempts,
    "races": races.attempts,
    "grammars": grammars.attempts,
    "ends": ends.attempts,
}


BETWEEN = 600.0
"""Time between two tables [s]."""


def campaign(names: list[str], seconds: float, seed: int, folder: Path) -> dict[str, Counter[Outcome]]:
    """Let campaigns take turns for a time, and return how often each outcome was."""
    killing.make(folder / "made")
    counts: dict[str, Counter[Outcome]] = {name: Counter() for name in names}
    spent, end = dict.fromkeys(names, 0.0), time.monotonic() + seconds
    for name in names:
        (folder / name).mkdir()
    running = {name: CAMPAIGNS[name](folder / "made", folder / name, Random(f"{name} {seed}")) for name in names}
    told = time.monotonic()
    while (began := time.monotonic()) < end:
        name = min(spent, key=spent.__getitem__)
        attempt = next(running[name])
        counts[name][attempt.outcome] += 1
        spent[name] += time.monotonic() - began
        if attempt.is_bad:
            print(f"{name}: {attempt}", flush=True)
        if began - told > BETWEEN:
            print(table(counts), flush=True)
            told = began
    return counts


def table(counts: dict[str, Counter[Outcome]]) -> str:
    """Lay out the counts of campaigns."""
    rows = [["campaign", "tried", *Outcome]]
    rows += [[name, f"{count.total():,}", *(f"{count[kind]:,}" for kind in Outcome)] for name, count in counts.items()]
    return "\n".join(row[0].ljust(10) + "".join(word.rjust(9) for word in row[1:]) for row in rows)


def main() -> int:
    """Run the campaigns that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("campaign", nargs="*", choices=[*CAMPAIGNS, []], help="all by default")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="another one each time by default")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    warnings.simplefilter("ignore", FewPhotonsWarning)  # of numbers at the ends of their range
    with tempfile.TemporaryDirectory() as folder:
        counts = campaign(asked.campaign or [*CAMPAIGNS], 60 * asked.minutes, asked.seed, Path(folder))
    print(table(counts))
    return int(any(count[kind] for count in counts.values() for kind in BAD))


if __name__ == "__main__":
    sys.exit(main())
