"""What tests, and examples in docstrings, share among all workers of a session."""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.once import Once

if TYPE_CHECKING:
    from xfeldask.physics.atoms import Atoms
    from xfeldask.physics.volume import Volume

LARGE = 2_000_000
"""Bytes that it takes to build a form factor that is worth to be kept."""
KEPT = 12
"""How many of what was worked out once a session a process holds in memory, those that it used last."""

# Examples in modules that need an extra are left out without it.
collect_ignore_glob = [] if find_spec("icechunk") else ["xfeldask/store/storage/icechunk_*.py"]

# Threads of BLAS wait for one another in loops: where each worker has as many of them as there are cores, that is most
# of what the cores do. Read when NumPy is loaded, which is after this, and inherited by the processes that tests start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A shared machine's pauses are no failure.
settings.register_profile("xfeldask", deadline=None, derandomize=True, max_examples=30)
settings.register_profile("campaign", deadline=None, max_examples=1000)
settings.load_profile("xfeldask")


def pytest_configure(config: pytest.Config) -> None:
    """Hide GPUs from all tests but those that are asked for by ``-m cuda``: on a GPU results differ by rounding."""
    if "cuda" not in config.option.markexpr.replace("not cuda", ""):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Have the collector of garbage look at nothing that is imported for tests, which stays: a million objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Once:
    """Make a file or a folder once a session, for all workers of pytest-xdist: ``once("run", make)`` is its path."""
    base = tmp_path_factory.getbasetemp()
    return Once((base.parent if hasattr(request.config, "workerinput") else base) / "once")


@pytest.fixture(scope="session", autouse=True)
def form_factors(once: Once) -> Iterator[None]:
    """Work out the form factor of a particle, its error and its bounds once a session, which is most of a small run.

    Tests share what they are given, and must not change it.
    """
    from xfeldask.physics import forward, species, volume
    from xfeldask.store import volumes

    kept: dict[str, Any] = {}

    def name_of(argument: object) -> str:
        known = (name for name, value in kept.items() if value is argument)
        return next(known, "") or hashlib.sha256(pickle.dumps(argument)).hexdigest()

    def shared(function: Callable[..., Any], is_large: Callable[..., bool]) -> Callable[..., Any]:
        def found(*arguments: Any) -> Any:
            if not is_large(*arguments):
                return function(*arguments)
            digest = hashlib.sha256(" ".join(map(name_of, arguments)).encode()).hexdigest()
            name = f"{function.__name__}-{digest}"
            if name in kept:
                kept[name] = kept.pop(name)
                return kept[name]
            made = once(name, lambda path: path.write_bytes(pickle.dumps(function(*arguments))))
            if len(kept) == KEPT:
                del kept[next(iter(kept))]
            return kept.setdefault(name, pickle.loads(made.read_bytes()))

        return found

    def building_is_long(atoms: Atoms, s_max: float, memory_limit: int | None = None) -> bool:
        needed = volume.memory_needed(atoms.radius, s_max)
        return needed >= LARGE and (memory_limit is None or needed <= memory_limit)

    def is_large(built: Volume, *_: object) -> bool:
        return built.values.nbytes >= LARGE // 2

    def build_volume(atoms: Atoms, s_max: float, memory_limit: int | None = None) -> Volume:
        # the limit is what is free now, and differs from call to call
        if building_is_long(atoms, s_max, memory_limit):
            return built(atoms, s_max)
        return volume.build_volume(atoms, s_max, memory_limit)

    built = shared(volume.build_volume, building_is_long)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(species, "build_volume", build_volume)
        patch.setattr(species, "measured_error", shared(volume.measured_error, is_large))
        patch.setattr(forward, "bound_volume", shared(forward.bound_volume, is_large))
        patch.setattr(volumes, "_on_grid", shared(volumes._on_grid, is_large))
        yield


@pytest.fixture(scope="session", autouse=True)
def haste() -> Iterator[None]:
    """Do less of what takes long, as `tests.hasty` says, where none asks for `in_full`."""
    from tests.hasty import in_haste

    with in_haste():
        yield


@pytest.fixture(scope="module")
def in_full() -> Iterator[None]:
    """Do all of what takes long, in the tests of a module."""
    from tests.hasty import unhurried

    with unhurried():
        yield
