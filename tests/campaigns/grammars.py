"""A grammar of bad files and addresses: each is read, or refused in one sentence."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.campaigns.attempt import Attempt, Outcome
from tests.campaigns.faults import FAULT, inherit
from tests.formats.test_hostile import MAKERS, mutated, read_all
from tests.formats.test_strict import PDB, written
from tests.formats.test_structures import CIF
from xfeldask.config import Experiment
from xfeldask.errors import InputError, XfeldaskError, printable
from xfeldask.explorer.view.address import SHARED, read_address
from xfeldask.formats.beam import read_beam
from xfeldask.formats.psana import read_psana_geometry
from xfeldask.formats.structures import read_structure
from xfeldask.physics.atoms import Atoms
from xfeldask.physics.detectors import Geometry
from xfeldask.report.printing import console, facts
from xfeldask.store import opening
from xfeldask.store.run import open_run

NUMBER = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.floats().map(str),
    st.sampled_from(["", "-", "1e", "0x1", "1_0", "٣", "nan", "-inf", "1e999", "5e-324", "1,5", "++1", "1.2.3"]),
)
WORD = st.one_of(NUMBER, st.text(max_size=6), st.sampled_from(["MTRX:2:2:75:75", "MTRX:0:1:1:1", "IP:V1", "PNCCD:V1"]))
BEAM = "beam/photon_energy = 4600\nbeam/fluence = 1e12\nbeam/radius = 5e-7\n"
GEOMETRY = "IP:V1 0 CSPAD:V1 0  0 0 100000  0 0 0  0 0 0\nCSPAD:V1 0 MTRX:2:4:75:75 1  9 9 0  90 0 0  0 0 0\n"
TOML = """particle = "chaperonin"
n_shots = 5
[beam]
photon_energy = 4600.0
photons_per_pulse = 1e12
focus_radius = 5e-7"""
JUNK = st.binary(max_size=4)


@st.composite
def damaged(draw: st.DrawFn, text: str) -> bytes:
    """A file in which words, lines and bytes are replaced, left out and put twice."""
    lines = [line.split(" ") for line in text.split("\n")]
    for _ in range(draw(st.integers(1, 4))):
        line = draw(st.sampled_from(lines))
        at = draw(st.integers(0, len(line) - 1))
        match draw(st.sampled_from(["word", "drop", "twice", "line", "again"])):
            case "word":
                line[at] = draw(WORD)
            case "drop":
                line[at] = ""
            case "twice":
                line.insert(at, line[at])
            case "line":
                line.clear()
                line.append("")
            case "again":
                lines.append(list(line))
    data = bytearray("\n".join(map(" ".join, lines)).encode("utf-8", "surrogatepass"))
    if draw(st.booleans()) and data:
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + 1] = draw(JUNK)
    return bytes(data)


class Stored:
    """Stands for the root of a store with an experiment."""

    store_path = "run.zarr"

    def __init__(self, path: Path) -> None:
        self.attrs = {"experiment": path.read_bytes().decode("utf-8", "replace")}


def read_stored(path: Path) -> Experiment:
    """Read an experiment as it lies in a store."""
    return opening.stored_experiment(Stored(path))


def is_beam(found: Any, data: bytes) -> bool:
    """Whether a beam is of numbers above zero."""
    return all(0 < value < np.inf for value in found.values())


def is_geometry(found: Any, data: bytes) -> bool:
    """Whether all pixels are somewhere."""
    return isinstance(found, Geometry) and bool(np.isfinite(found.pixel_position).all())


def is_written(found: Any, data: bytes) -> bool:
    """Whether atoms are where the columns of a PDB file say, to 0.002 angstrom."""
    try:
        there = written(data)
    except ValueError:  # a column that is no number
        return False
    here, there = (rows[np.lexsort(rows.T)] for rows in (found.position * 1e10, there))
    return here.shape == there.shape and np.allclose(here, there, atol=2e-3, rtol=0)


def is_atoms(found: Any, data: bytes) -> bool:
    """Whether all atoms are somewhere."""
    return isinstance(found, Atoms) and bool(np.isfinite(found.position).all())


def is_experiment(found: Any, data: bytes) -> bool:
    """Whether an experiment is one."""
    return isinstance(found, Experiment)


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
ADDRESS = st.dictionaries(
    st.one_of(st.sampled_from([*SHARED, "look", "store", "embedding"]), st.text(max_size=5)), VALUES
).map(lambda query: json.dumps(query).encode("utf-8", "surrogatepass"))


def is_state(found: Any, data: bytes) -> bool:
    """Whether parameters of a session are of their types."""
    json.dumps(found)
    return set(found) <= set(SHARED) and all(
        isinstance(value, SHARED[name]) and isinstance(value, bool) == (SHARED[name] is bool)
        for name, value in found.items()
    )


NAME = st.tuples(st.text("ab[/]x\x1b\n\r\t.<&;=*é٣", min_size=1, max_size=5), st.sampled_from([0, 0, 300])).map(
    lambda drawn: f"no store {drawn[0]}{'n' * drawn[1]}".encode()
)


def opened(path: Path) -> object:
    """What is at a path that no store is at; the command line prints what is told of it as `printable` has it."""
    try:
        return open_run(path.read_bytes().decode())
    except XfeldaskError as error:
        raise InputError(printable(error)) from None


def printed(path: Path) -> str:
    """What the command line prints of a store of a name."""
    with (out := console()).capture() as caught:
        name = path.read_text("utf-8")
        out.print(facts(name, {"store": name}))
    return caught.get()


def is_plain(found: Any, data: bytes) -> bool:
    """Whether what is printed gives a terminal no order."""
    return all(c.isprintable() for c in found.replace("\n", ""))


def is_nothing(found: Any, data: bytes) -> bool:
    """Whether a store was found, where there is none."""
    return False


class Grammar(NamedTuple):
    """Bad files of a kind, what reads them, and what holds of what it gives of the bytes of a file."""

    ending: str
    files: st.SearchStrategy[bytes]
    read: Callable[[Path], Any]
    holds: Callable[[Any, bytes], bool]


JSON = Experiment(particle="chaperonin", n_shots=5).model_dump_json().replace(",", " , ").replace(":", " : ")
GRAMMARS = {
    "beam": Grammar(".beam", damaged(BEAM), read_beam, is_beam),
    "geometry": Grammar(".data", damaged(GEOMETRY), read_psana_geometry, is_geometry),
    "PDB": Grammar(".pdb", damaged(PDB), lambda path: read_structure(path, "asymmetric-unit"), is_written),
    "mmCIF": Grammar(".cif", damaged(CIF), read_structure, is_atoms),
    "TOML": Grammar(".toml", damaged(TOML), Experiment.from_toml, is_experiment),
    "stored experiment": Grammar(".json", damaged(JSON), read_stored, is_experiment),
    "name of a store": Grammar(".name", NAME, opened, is_nothing),
    "printed": Grammar(".printed", NAME, printed, is_plain),
    "address": Grammar(".query", ADDRESS, lambda path: read_address(json.loads(path.read_bytes())), is_state),
}
PATIENCE = 120
"""After which a file that is still being read is taken for one that never ends [s]."""
AT_ONCE = 20
"""Files of a kind before one of another is tried."""


def attempts(folder: Path, work: Path, dice: Random) -> Iterator[Attempt]:
    """Read bad files of all kinds in turn, without end."""
    while True:
        for name in dice.sample([*GRAMMARS, *MAKERS], len(GRAMMARS) + len(MAKERS)):
            yield from tried(name, work, dice.getrandbits(64))


def tried(name: str, folder: Path, dice: int) -> Iterator[Attempt]:
    """Read some bad files of a kind."""
    if name in GRAMMARS:
        return (outcome(name, data, folder) for data in drawn(GRAMMARS[name].files, dice))
    return (outcome_of_frames(name, folder, dice + i) for i in range(AT_ONCE))


def drawn(files: st.SearchStrategy[bytes], dice: int) -> list[bytes]:
    """Draw some of the files of a grammar."""
    found: list[bytes] = []
    few = settings(max_examples=AT_ONCE, database=None, deadline=None, phases=[Phase.generate],
                   suppress_health_check=[*HealthCheck])  # fmt: skip

    @seed(dice)
    @few
    @given(files)
    def keep(data: bytes) -> None:
        found.append(data)

    keep()
    return found


def outcome(name: str, data: bytes, folder: Path) -> Attempt:
    """Read a file of a grammar."""
    grammar = GRAMMARS[name]
    path = folder / f"bad{grammar.ending}"
    path.write_bytes(data)
    what = f"{name} {data!r}"
    try:
        found = grammar.read(path)
        return Attempt(what, Outcome.WHOLE if grammar.holds(found, data) else Outcome.SILENT)
    except XfeldaskError as error:
        return refusal(what, error)
    except Exception as error:  # whatever it is, it is no sentence
        return Attempt(what, Outcome.DIED, repr(error))


def outcome_of_frames(name: str, folder: Path, dice: int) -> Attempt:
    """Read everything of a file of frames that was damaged, in a process that is ended if it does not end."""
    _, make = MAKERS[name]
    whole, bad = folder / "whole" / name, folder / f"bad-{name}"
    if not whole.exists():
        whole.parent.mkdir(exist_ok=True)
        make(whole)
    bad.write_bytes(mutated(whole.read_bytes(), np.random.default_rng(dice)))
    what = f"{name} damaged by {dice}"
    try:
        return reader(os.environ.get(FAULT)).submit(frames_read, what, name, bad).result(PATIENCE)
    except (TimeoutError, BrokenProcessPool) as error:
        for process in reader(os.environ.get(FAULT))._processes.values():
            process.kill()
        reader.cache_clear()
        return Attempt(what, Outcome.DIED, f"did not end: {error!r}")
    finally:
        bad.unlink()


@cache
def reader(fault: str | None) -> ProcessPoolExecutor:
    """A process that reads files, as libraries in C may loop in them for ever, with a fault that is put back."""
    return ProcessPoolExecutor(1, get_context("spawn"), inherit)


def frames_read(what: str, name: str, path: Path) -> Attempt:
    """Read everything of a file of frames."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy warns of numbers that it meets in damaged files
            read_all(str(path), MAKERS[name][0])
        return Attempt(what, Outcome.WHOLE)
    except XfeldaskError as error:
        return refusal(what, error)
    except Exception as error:  # whatever it is, it is no sentence
        return Attempt(what, Outcome.DIED, repr(error))


def refusal(what: str, error: XfeldaskError) -> Attempt:
    """Judge the sentence by which a file is refused."""
    told = str(error)
    is_sentence = "\n" not in told.strip() and 10 < len(told) < 4000
    return Attempt(what, Outcome.TOLD if is_sentence else Outcome.DIED, told)
