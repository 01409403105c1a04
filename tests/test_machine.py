"""What the machine lets a process have is asked in one place."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from xfeldask.errors import InputError
from xfeldask.machine import exists

ROOT = Path(__file__).resolve().parents[1]
COUNTS = {"sched_getaffinity", "cpu_count", "process_cpu_count", "CPU_COUNT"}


def test_cores__are_counted_in_one_place():
    found = set()
    for path in [*(ROOT / "xfeldask").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = {getattr(node, "attr", ""), getattr(node, "id", "")}
            if isinstance(node, ast.ImportFrom):
                names |= {alias.name for alias in node.names}
            if names & COUNTS:
                found.add(path.relative_to(ROOT).as_posix())
    assert found == {"xfeldask/machine.py"}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system ties no process to cores")
def test_cores__are_those_that_the_process_may_use():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from xfeldask.machine import cores; print(cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_exists__refuses_names_that_no_file_can_have(tmp_path):
    assert exists(tmp_path)
    assert not exists(tmp_path / "nothing" / "here")
    with pytest.raises(InputError, match=r"^x{40}\.\.\. is no path: a name in it is longer than a file's may be$"):
        exists("x" * 300)
