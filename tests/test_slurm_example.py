"""The job scripts as SLURM runs them, with a command beside them that reads the flags as ours does and does no work."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import dask_jobqueue
import pytest

SCRIPTS = Path(__file__).parent.parent / "examples" / "slurm"
STAND_IN = """#!{python}
import json, sys
from xfeldask.cli import commands

command = commands.commands[sys.argv[1]]
found = command.make_context(sys.argv[1], sys.argv[2:]).params
if found.get("model") is not None:
    sys.exit("xfeldask: no store at " + str(found["model"]))
print(json.dumps({{"verb": sys.argv[1]}} | {{name: str(found[name]) for name in found if found[name] is not None}}))
"""


@pytest.fixture
def submit(tmp_path):
    command = tmp_path / "bin" / "xfeldask"
    command.parent.mkdir()
    command.write_text(STAND_IN.format(python=sys.executable))
    command.chmod(0o755)
    (tmp_path / "hits").mkdir()
    (tmp_path / "hits" / "r0042_hits.cxi").write_bytes(b"")

    def run(script, task, *more):
        path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "SLURM_ARRAY_TASK_ID": str(task), "SLURM_CPUS_PER_TASK": "3"}
        words = ["bash", str(SCRIPTS / script), *map(str, more)]
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)

    return run


def asked(told, **expected):
    """Whether a command was given what is expected."""
    return {name: told.get(name) for name in expected} == expected


def test_job__processes_its_run(submit, tmp_path):
    done = submit("process.sh", 42, tmp_path / "hits", tmp_path / "out", "--write-back")
    assert (done.returncode, done.stderr) == (0, "")
    assert asked(
        json.loads((tmp_path / "out" / "r0042.json").read_text()),
        verb="process",
        sources=str((str(tmp_path / "hits" / "r0042_hits.cxi"),)),
        store=str(tmp_path / "out" / "r0042.zarr"),
        workers="3",
        write_back="True",
        quiet="True",
    )


def test_job__passes_over_a_run_without_hits_and_fails_with_its_command(submit, tmp_path):
    folders = tmp_path / "hits", tmp_path / "out"
    done = submit("process.sh", 43, *folders)
    assert (done.returncode, done.stderr, (tmp_path / "out").exists()) == (0, "r0043 has no hits\n", False)
    done = submit("process.sh", 42, *folders, "--model", "none.zarr")
    assert (done.returncode, done.stderr) == (1, "xfeldask: no store at none.zarr\n")
    assert not (tmp_path / "out" / "r0042.json").exists()


def test_job__simulates_its_range(submit, tmp_path):
    (tmp_path / "beam.toml").touch()
    done = submit("simulate.sh", 7, tmp_path / "beam.toml", tmp_path / "run.zarr", 16, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    store, experiment = str(tmp_path / "run.zarr"), str(tmp_path / "beam.toml")
    assert asked(
        json.loads(done.stdout), verb="simulate", store=store, experiment_file=experiment, shards="7/16", workers="3",
        quiet="True",
    )  # fmt: skip


def test_job__embeds_what_was_not_and_reconstructs_on_the_gpu(submit, tmp_path):
    done = submit("reconstruct.sh", 1, tmp_path / "run.zarr", "--symmetry", "D8")
    first, second = map(json.loads, done.stdout.splitlines())
    assert asked(first, verb="embed", store=str(tmp_path / "run.zarr"), workers="3")
    assert asked(second, verb="reconstruct", store=str(tmp_path / "run.zarr"), device="cuda", symmetry="D8")
    (tmp_path / "run.zarr" / "latent" / "ipca").mkdir(parents=True)
    (only,) = map(json.loads, submit("reconstruct.sh", 1, tmp_path / "run.zarr").stdout.splitlines())
    assert only["verb"] == "reconstruct"


@pytest.fixture
def gpus(tmp_path):
    """Have a node with so many GPUs, and Dask's commands, which note what they are told and run until they end."""

    def gpus(count):
        listed = "".join(f"GPU {i}: NVIDIA H100 80GB HBM3 (UUID: GPU-{i}a-b)\n" for i in range(count))
        scripts = {
            "nvidia-smi": f"[ $1 = -L ] && printf '{listed}'",
            "dask": f'echo "${{CUDA_VISIBLE_DEVICES:-none}} $@ " >>{tmp_path}/dask; exec sleep 60',
        }
        for name, script in scripts.items():
            (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{script}\n")
            (tmp_path / "bin" / name).chmod(0o755)

    return gpus


def test_job__simulates_with_a_worker_for_each_gpu(submit, gpus, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "1234567")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpus(2)
    (tmp_path / "beam.toml").touch()
    done = submit("simulate_gpus.sh", 1, tmp_path / "beam.toml", tmp_path / "run.zarr", "--resume")
    assert (done.returncode, done.stderr) == (0, "")
    assert asked(
        json.loads(done.stdout), verb="simulate", store=str(tmp_path / "run.zarr"), device="cuda",
        experiment_file=str(tmp_path / "beam.toml"), scheduler="tcp://127.0.0.1:24567", resume="True",
    )  # fmt: skip
    scheduler, *workers = sorted((tmp_path / "dask").read_text().splitlines(), key=lambda line: line.split()[1])
    assert scheduler.split()[1:] == ["scheduler", "--host", "127.0.0.1", "--port", "24567", "--no-dashboard"]
    assert sorted(line.split()[0] for line in workers) == ["GPU-0a-b", "GPU-1a-b"]
    for words in (line.split() for line in workers):
        assert words[1:3] == ["worker", "tcp://127.0.0.1:24567"]
        assert words[words.index("--nthreads") + 1] == "1"


def test_job__on_a_node_without_a_gpu_ends_with_a_sentence(submit, gpus, tmp_path):
    gpus(0)
    done = submit("simulate_gpus.sh", 1, tmp_path / "beam.toml", tmp_path / "run.zarr")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "nvidia-smi lists no GPU\n")


def test_workers__are_asked_of_slurm_as_the_example_says(monkeypatch, tmp_path):
    """By the script that dask-jobqueue would submit."""
    asked_of = {}

    class Asked(dask_jobqueue.SLURMCluster):
        def __init__(self, **keywords):
            asked_of.update(keywords)
            raise InterruptedError

    monkeypatch.setattr(dask_jobqueue, "SLURMCluster", Asked)
    with pytest.raises(InterruptedError):
        runpy.run_path(str(SCRIPTS / "dask_jobs.py"))["main"](str(tmp_path / "run.zarr"), cores=4)
    monkeypatch.undo()
    with dask_jobqueue.SLURMCluster(**asked_of, scheduler_options={"dashboard_address": ":0"}) as cluster:
        script = cluster.job_script()
    assert {"#SBATCH --cpus-per-task=4", "#SBATCH --mem=30G", "#SBATCH -t 01:00:00"} <= set(script.splitlines())
