"""What the benchmarks share: sizes, the particle, stores, timing in turns, and running a class without asv."""

from __future__ import annotations

import itertools
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
from numpy.typing import ArrayLike, NDArray

from xfeldask.config import Experiment
from xfeldask.devices import device_of
from xfeldask.engines.preparation import Prepared, prepare
from xfeldask.engines.workshop import Workshop, forget, keep, make_workshop
from xfeldask.errors import InputError, MissingFileError
from xfeldask.formats.inputs import resolve
from xfeldask.formats.structures import fetch_structure
from xfeldask.store.run import Run
from xfeldask.store.storage.urls import StorePath
from xfeldask.verbs.parts.simulation_template import publish_template

SHARED = Path(__file__).resolve().parents[2] / "shared"
SIZES = {"full": [1_000, 10_000, 100_000], "smoke": [64]}.get(os.environ.get("XFELDASK_BENCH", ""), [1_000])
PNCCD, SQUARE = "pnccd-amo86615", "square-1024"
SAMPLE_SECONDS = 0.05
DEVICES = ["cpu", "cuda"]
"""What a benchmark that takes a device runs on; see `need_device`."""

Method = TypeVar("Method", bound=Callable[..., object])


def effort(smoke: int, usual: int, full: int | None = None) -> int:
    """How often to repeat, by XFELDASK_BENCH."""
    return {"smoke": smoke, "full": full or usual}.get(os.environ.get("XFELDASK_BENCH", ""), usual)


def measures(unit: str, asked: str = "") -> Callable[[Method], Method]:
    """Mark a method with the unit of its result and with what is asked of it; its docstring says what it is."""

    def mark(method: Method) -> Method:
        method.unit, method.asked = unit, asked  # type: ignore[attr-defined]
        return method

    return mark


def particle(name: str) -> str:
    """Name of a built-in particle, or the path of 1EI7; skips where that is neither there nor to be had."""
    small = SHARED / "data" / "2cex.pdb"
    if effort(True, False) and small.exists():
        return str(small)
    if name != "1ei7":
        return name
    path = SHARED / "data" / "1ei7.pdb"
    try:
        return str(path if path.exists() else fetch_structure(name))
    except MissingFileError as error:
        raise NotImplementedError(str(error)) from None


def need_device(name: str) -> None:
    """Skip, saying why, where there is no such device."""
    try:
        device_of(name)
    except InputError as error:
        raise NotImplementedError(str(error)) from None


def prepared(name: str, detector: str = PNCCD, n_shots: int = 1, turned: ArrayLike | None = None) -> Prepared:
    """An experiment with everything that its shots share; `turned` are orientations (n, 4) to take in turn."""
    orientations = {"kind": "random"} if turned is None else {"kind": "list", "source": "arrays"}
    experiment = Experiment(
        particle=particle(name), detector=detector, n_shots=n_shots, orientations=orientations, seed=7
    )
    return prepare(resolve(experiment, orientations=turned))


@dataclass(frozen=True)
class Store:
    """A store without shots, ready for `simulate_shard`."""

    run: Run
    workshop: Workshop

    @classmethod
    def make(cls, path: StorePath, ready: Prepared) -> Store:
        run = publish_template(path, ready)
        workshop = make_workshop(run.group, ready.engine, ready.inputs.geometry)
        keep(run, workshop)
        return cls(run, workshop)


class Folder:
    """Mixin: a temporary folder that a benchmark class has from its setup to its teardown."""

    folder: Path
    store: Store

    def make_folder(self) -> Path:
        self.folder = Path(tempfile.mkdtemp(prefix="xfeldask-bench-"))
        return self.folder

    def teardown(self, *_: object) -> None:
        if hasattr(self, "store"):
            forget(self.store.run)
        shutil.rmtree(getattr(self, "folder", "no such folder"), ignore_errors=True)


def in_turns(actions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, NDArray[np.float64]]:
    """Seconds of each action in each round, the actions taking turns; a first round that warms up is left out."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds + 1):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values[1:]) for name, values in seconds.items()}


def ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> float:
    """Median of the ratios within the rounds."""
    return float(np.median(above / below))


@dataclass(frozen=True)
class Watched:
    """What a process took; memory is the sum of the resident sets of it and its children."""

    seconds: float
    peak_bytes: int
    out: str


def watch(command: list[str]) -> Watched:
    """Run a command and watch it.

    Raises
    ------
    RuntimeError
        It failed; the message is what it wrote.
    """
    start, peak = time.perf_counter(), 0
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    top = psutil.Process(process.pid)
    while process.poll() is None:
        peak = max(peak, _resident(top))
        time.sleep(SAMPLE_SECONDS)
    seconds = time.perf_counter() - start
    out, error = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {error}")
    return Watched(seconds, peak, out)


def _resident(top: psutil.Process) -> int:
    total = 0
    try:
        for process in (top, *top.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        # one ended meanwhile; this sample lacks it and those after it
        pass
    return total


@dataclass(frozen=True)
class Result:
    """One measured number."""

    what: str
    value: float
    unit: str
    asked: str


def run(cls: type, smallest: bool = False) -> Iterator[Result]:
    """Run all methods of a benchmark class in this process, as asv would in one each; what cannot run is passed over.

    Parameters
    ----------
    cls : type
    smallest : bool, only the first of all parameters

    Raises
    ------
    NotImplementedError
        The class cannot run here, or not with some of the parameters, raised last; the message says why.
    """
    params = getattr(cls, "params", [])
    axes = params if params and isinstance(params[0], list) else [params] if params else []
    passed_over: NotImplementedError | None = None
    for chosen in itertools.islice(itertools.product(*axes), 1 if smallest else None):
        benchmark = cls()
        try:
            try:
                getattr(benchmark, "setup", lambda *_: None)(*chosen)
            except NotImplementedError as error:
                passed_over = error
                continue
            for name in sorted(n for n in dir(cls) if n.startswith(("time_", "track_"))):
                method = getattr(benchmark, name)
                value = _median_ms(method, chosen) if name.startswith("time_") else float(method(*chosen))
                of = [*map(_told, getattr(cls, "param_names", ()), chosen), *getattr(cls, "on", [])]
                what = f"{method.__doc__} ({', '.join(of)})" if of else method.__doc__
                yield Result(what, value, getattr(method, "unit", "ms"), getattr(method, "asked", ""))
        finally:
            getattr(benchmark, "teardown", lambda *_: None)(*chosen)
    if passed_over is not None:
        raise passed_over


def _median_ms(method: Callable[..., object], chosen: tuple[object, ...]) -> float:
    seconds = []
    for _ in range(effort(2, 15)):
        start = time.perf_counter()
        method(*chosen)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:]) * 1e3


def _told(name: str, value: object) -> str:
    if name in ("n_shots", "shots"):
        return f"{value:,} shots" if isinstance(value, int) else str(value)
    return str(value) if isinstance(value, str) else f"{name.replace('_', ' ')} {value}"
