"""The explorer leaves the settings of the process that imports it as they were."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.explorer.process_state import ROOT, state
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view.page import Explorer

CODE = """
import importlib
from tests.explorer.process_state import ROOT, import_others, modules, state

import_others()
before = state()
names = modules(ROOT / "xfeldask" / "explorer")
for name in names:
    importlib.import_module(name)
after = state()
print(len(names), len(before))
for name in sorted(before | after):
    if before.get(name) != after.get(name):
        print(name, "was", before.get(name), "is", after.get(name))
"""


def test_import__changes_no_setting_of_the_process():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, *changed = done.stdout.splitlines()
    n_modules, n_settings = map(int, first.split())
    assert n_modules > 30
    assert n_settings > 400
    assert changed == []


def test_page__changes_no_setting_but_those_of_its_own_plots(stores: dict[str, Path]):
    before = state()
    explorer = Explorer(Session(stores["whole"]))
    explorer.view().get_root()
    changed = {name for name, value in state().items() if value != before.get(name)}
    # libraries that are first needed by a page may bring filters of warnings of their own
    assert changed <= {"holoviews custom options", "warnings"}
    assert explorer.plane.canvas.figure.output_backend == "canvas"


def test_page__says_nothing_of_sizes_that_contradict_each_other(stores: dict[str, Path], caplog, capsys):
    explorer = Explorer(Session(stores["whole"]))
    for page in (explorer.view(), explorer.page([stores["whole"]])):
        page.get_root()
    told = caplog.text + "".join(capsys.readouterr())
    assert "sizing_mode" not in told
