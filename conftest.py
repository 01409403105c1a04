"""What tests, and examples in docstrings, share among all workers of a session."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.once import Once

if TYPE_CHECKING:
    from xfeldask.physics.atoms import Atoms
    from xfeldask.physics.volume import Volume

LARGE = 100_000_000
"""Bytes that it takes to build a form factor that is worth to be kept."""

# Threads of BLAS wait for one another in loops: where each worker has as many of them as there are cores, that is most
# of what the cores do. Read when NumPy is loaded, which is after this, and inherited by the processes that tests start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A shared machine's pauses are no failure.
settings.register_profile("xfeldask", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("campaign", deadline=None, max_examples=1000)
settings.load_profile("xfeldask")


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Once:
    """Make a file or a folder once a session, for all workers of pytest-xdist: ``once("run", make)`` is its path."""
    base = tmp_path_factory.getbasetemp()
    return Once((base.parent if hasattr(request.config, "workerinput") else base) / "once")


@pytest.fixture(scope="session", autouse=True)
def form_factors(once: Once) -> Iterator[None]:
    """`simulate` builds the form factor of a large particle, which takes seconds, once a session."""
    from xfeldask.physics.volume import build_volume, memory_needed

    def built(atoms: Atoms, s_max: float, memory_limit: int | None = None) -> Volume:
        needed = memory_needed(atoms.radius, s_max)
        if needed < LARGE or (memory_limit is not None and needed > memory_limit):
            return build_volume(atoms, s_max, memory_limit)
        parts = (atoms.position, atoms.occupancy, " ".join(atoms.element), s_max)
        name = hashlib.sha256(pickle.dumps(parts)).hexdigest()
        path = once(f"form-factor-{name}", lambda path: path.write_bytes(pickle.dumps(build_volume(atoms, s_max))))
        found: Volume = pickle.loads(path.read_bytes())
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xfeldask.engines.preparation.build_volume", built)
        yield


@pytest.fixture
def hasty() -> Iterator[None]:
    """Teach the pair rule in a tenth of the time; it sorts worse."""
    from tests.hasty import in_haste

    with in_haste():
        yield


@pytest.fixture(autouse=True)
def examples_hurry(request: pytest.FixtureRequest) -> None:
    """Examples in docstrings show how things are called, and not how well they sort."""
    if isinstance(request.node, pytest.DoctestItem):
        request.getfixturevalue("hasty")
