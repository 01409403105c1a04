"""Verbs run in processes of their own, which may be killed and have never used threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_module(name: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run ``python -m tests.campaigns.<name>`` with words."""
    command = [sys.executable, "-m", f"tests.campaigns.{name}", *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
