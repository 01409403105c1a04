"""Run the tests that rounding could change as other processors would.

A variant is a run of the tests that are marked ``rounding`` with other kernels and another number of threads of
OpenBLAS, as a processor of 2011 would work (less of NumPy's dispatch, a C library that fuses nothing), or with Numba
compiling for any x86-64. What this processor cannot run is left out and told. ``bounds`` is another matter: tests that
give kernels small shapes, and what they were not made for, with bounds of arrays checked.

    python -m tests.on_processors                 # all variants, as rows of a table; exits with 1 when one fails
    python -m tests.on_processors Haswell older   # some
    python -m tests.on_processors Zen --tests tests/latent
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SMALL_SHAPES = [
    "tests/physics/test_outside.py",
    "tests/physics/test_nufft.py",
    "tests/orient/test_kernels.py",
    "tests/store/packing/test_sequences.py",
]
NUMBA_GENERIC = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
LIBM_WITHOUT_FMA = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F"}
TAKEN = """
import scipy.linalg, threadpoolctl
print(*{library["architecture"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"})
"""


class Variant(NamedTuple):
    """What a run has in its environment, the flag of a processor that it needs, and how it chooses tests."""

    environment: dict[str, str]
    needs: str = ""
    chosen: tuple[str, ...] = ("-m", "rounding and not campaign")


def numpy_reduced() -> dict[str, str]:
    """NumPy without what it would choose on this processor beyond its baseline."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return {"NPY_DISABLE_CPU_FEATURES": " ".join(found)}


def openblas(kernels: str, threads: int) -> dict[str, str]:
    """Kernels that OpenBLAS takes, and how many threads."""
    # threads that wait sleep soon: beside other work they would take most of the time, turning in circles
    return {"OPENBLAS_CORETYPE": kernels, "OPENBLAS_NUM_THREADS": str(threads), "OPENBLAS_THREAD_TIMEOUT": "4"}


def variants() -> dict[str, Variant]:
    """All of them by name; each kernel and each number of threads is in one at least."""
    return {
        "Haswell": Variant(openblas("Haswell", 1), "avx2"),
        "SkylakeX": Variant(openblas("SkylakeX", 2), "avx512f"),
        "Zen": Variant(openblas("Zen", 2), "avx2"),
        "older": Variant(openblas("Sandybridge", 1) | numpy_reduced() | LIBM_WITHOUT_FMA, "avx"),
        "generic": Variant(NUMBA_GENERIC),
        # optimised less, kernels are compiled sooner
        "bounds": Variant({"NUMBA_BOUNDSCHECK": "1", "NUMBA_OPT": "1"}, chosen=()),
    }


def marked() -> list[str]:
    """Modules with tests that are marked ``rounding``, so that others need not be imported."""
    found = (path for path in (ROOT / "tests").rglob("test_*.py") if "mark.rounding" in path.read_text())
    return sorted(str(path.relative_to(ROOT)) for path in found)


def tried(variant: Variant, tests: list[str]) -> tuple[bool, str]:
    """Whether tests pass in a variant, and the rest of its row: kernels of OpenBLAS, outcome, seconds of processor."""
    changed, before = os.environ | variant.environment, resource.getrusage(resource.RUSAGE_CHILDREN)
    kernels = subprocess.run([sys.executable, "-c", TAKEN], env=changed, capture_output=True, text=True, check=True)
    command = [sys.executable, "-m", "pytest", "-q", *variant.chosen, *tests]
    with tempfile.TemporaryDirectory() as cache:
        # Numba's own cache does not tell kernels without checks of bounds from those with
        changed |= {"NUMBA_CACHE_DIR": cache} if "NUMBA_BOUNDSCHECK" in changed else {}
        done = subprocess.run(command, cwd=ROOT, env=changed, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", flush=True)
    taken, last = kernels.stdout.strip(), (done.stdout.strip().splitlines() or ["nothing"])[-1]
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told = f"{'FAILED' if done.returncode else 'passed'}: {re.sub(r' in .*', '', last)}"
    return not done.returncode, f"{taken} | {told} | {seconds:.0f}"


def main() -> int:
    """Try the variants that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("variant", nargs="*", choices=[[], *variants()], help="all by default")
    parser.add_argument("--tests", nargs="+", help="paths of tests; what is marked there, or all in `bounds`")
    asked, failed = parser.parse_args(), False
    print("| variant | kernels of OpenBLAS | tests | CPU s |\n| --- | --- | --- | --- |", flush=True)
    flags = Path("/proc/cpuinfo").read_text().split() if sys.platform == "linux" else []
    for name, variant in variants().items():
        if asked.variant and name not in asked.variant:
            continue
        if variant.needs and variant.needs not in flags:
            print(f"| {name} | | skipped: this processor has no {variant.needs} | |", flush=True)
            continue
        passed, row = tried(variant, asked.tests or (marked() if variant.chosen else SMALL_SHAPES))
        print(f"| {name} | {row} |", flush=True)
        failed = failed or not passed
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
