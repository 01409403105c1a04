"""Run the tests that touch floating point as other processors would.

A variant is a run of pytest with other kernels and numbers of threads of OpenBLAS, with less of NumPy's dispatch, with
a C library that fuses nothing, with Numba compiling for any x86-64, or with bounds of arrays checked in kernels. What
this processor cannot run is left out and told.

    python -m tests.on_processors                     # all variants; exits with 1 when one fails
    python -m tests.on_processors Haswell-1 numpy     # some
    python -m tests.on_processors --tests tests/latent
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FLOATING = [
    "tests/formats/test_psana.py",
    "tests/formats/test_structures.py",
    "tests/features",
    "tests/latent",
    "tests/physics",
    "tests/scores",
    "tests/sorting",
    "tests/verbs/test_embed.py",
    "tests/verbs/test_simulate.py",
    "tests/work/test_blocks.py",
    "tests/test_processors.py",
]
"""Tests whose outcome could depend on how a processor rounds."""

KERNELS = {"Haswell": "avx2", "SkylakeX": "avx512f", "Zen": "avx2", "Sandybridge": "avx"}
"""Kernels of OpenBLAS, and the flag of a processor that they need."""

BOUNDS = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_OPT": "1"}
"""By which a kernel that indexes outside of an array ends in an IndexError; optimised less, it is compiled sooner."""
NUMBA_GENERIC = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
LIBM_WITHOUT_FMA = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F"}
TAKEN = """
import scipy.linalg, threadpoolctl
print(*{library["architecture"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"})
"""


def numpy_reduced() -> dict[str, str]:
    """NumPy without what it would choose on this processor beyond its baseline."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return {"NPY_DISABLE_CPU_FEATURES": " ".join(found)}


def variants() -> dict[str, tuple[dict[str, str], str]]:
    """Environment of each variant, and why it cannot be run here, if so."""
    flags = Path("/proc/cpuinfo").read_text().split() if sys.platform == "linux" else []
    found = {
        f"{core}-{threads}": (
            {"OPENBLAS_CORETYPE": core, "OPENBLAS_NUM_THREADS": str(threads)},
            "" if needed in flags else f"this processor has no {needed}",
        )
        for core, needed in KERNELS.items()
        for threads in (1, 2)
    }
    found["numpy"] = (numpy_reduced(), "" if any(numpy_reduced().values()) else "NumPy has nothing to choose from here")
    found["libm"] = (LIBM_WITHOUT_FMA, "" if "fma" in flags else "this processor does not fuse, or is not glibc's")
    found["numba"] = (NUMBA_GENERIC, "")
    # Numba's cache does not tell kernels that were compiled without from those with
    found["bounds"] = ({**BOUNDS, "NUMBA_CACHE_DIR": tempfile.mkdtemp()}, "")
    return found


def tried(environment: dict[str, str], tests: list[str]) -> tuple[bool, str]:
    """Whether the tests pass in an environment, and what was seen."""
    changed = {**os.environ, **environment}
    kernels = subprocess.run([sys.executable, "-c", TAKEN], env=changed, capture_output=True, text=True, check=False)
    command = [sys.executable, "-m", "pytest", "-q", *tests]
    done = subprocess.run(command, cwd=ROOT, env=changed, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", flush=True)
    return not done.returncode, f"{lines[-1] if lines else 'nothing'}; OpenBLAS took {kernels.stdout.strip()}"


def main() -> int:
    """Try the variants that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("variant", nargs="*", choices=[[], *variants()], help="all by default")
    parser.add_argument("--tests", nargs="+", default=FLOATING)
    asked = parser.parse_args()
    failed = []
    for name, (environment, lacking) in variants().items():
        if asked.variant and name not in asked.variant:
            continue
        if lacking:
            print(f"{name}: skipped, {lacking}", flush=True)
            continue
        passed, told = tried(environment, asked.tests)
        print(f"{name}: {'passed' if passed else 'FAILED'}, {told}", flush=True)
        failed += [] if passed else [name]
    return len(failed) > 0


if __name__ == "__main__":
    sys.exit(main())
