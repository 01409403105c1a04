"""The job script as SLURM runs it, with a command beside it that reads the flags as ours does and does no work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "examples" / "slurm" / "process.sh"
STAND_IN = """#!{python}
import json, sys
from xfeldask.cli import commands

command = commands.commands[sys.argv[1]]
found = command.make_context("process", sys.argv[2:]).params
if found["model"] is not None:
    sys.exit("xfeldask: no store at " + str(found["model"]))
print(json.dumps({{name: str(found[name]) for name in ("sources", "store", "workers", "write_back", "quiet")}}))
"""


@pytest.fixture
def submit(tmp_path):
    command = tmp_path / "bin" / "xfeldask"
    command.parent.mkdir()
    command.write_text(STAND_IN.format(python=sys.executable))
    command.chmod(0o755)
    (tmp_path / "hits").mkdir()
    (tmp_path / "hits" / "r0042_hits.cxi").write_bytes(b"")

    def run(task, *more):
        path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "SLURM_ARRAY_TASK_ID": str(task), "SLURM_CPUS_PER_TASK": "3"}
        words = ["bash", str(SCRIPT), str(tmp_path / "hits"), str(tmp_path / "out"), *more]
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)

    return run


def test_job__processes_its_run(submit, tmp_path):
    done = submit(42, "--write-back")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads((tmp_path / "out" / "r0042.json").read_text())
    assert told == {
        "sources": str((str(tmp_path / "hits" / "r0042_hits.cxi"),)),
        "store": str(tmp_path / "out" / "r0042.zarr"),
        "workers": "3",
        "write_back": "True",
        "quiet": "True",
    }


def test_job__passes_over_a_run_without_hits_and_fails_with_its_command(submit, tmp_path):
    done = submit(43)
    assert (done.returncode, done.stderr, (tmp_path / "out").exists()) == (0, "r0043 has no hits\n", False)
    done = submit(42, "--model", "none.zarr")
    assert (done.returncode, done.stderr) == (1, "xfeldask: no store at none.zarr\n")
    assert not (tmp_path / "out" / "r0042.json").exists()
