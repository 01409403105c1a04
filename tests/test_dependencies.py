"""What pyproject says that the package needs is what it imports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.cli.small import ATOM
from xfeldask import __version__

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXPLORER = ("explorer", "dashboard")
BLOCKED = ("panel", "panel_material_ui", "holoviews", "bokeh", "param", "shapely")
NAMED_ONLY = {"xraydb", "zarrs"}
"""Dependencies that are not imported here: of one the database is read, one is imported by zarr."""
LATE = ("matplotlib", "scipy.stats", "scipy.optimize", "sklearn", "dask.array", "dask_ml", "distributed", "xraydb")
"""What takes long to import, and what a process, or a command, can do without until its work needs it."""
NOT_TO_SIMULATE = (*LATE, "xarray", "pandas", "scipy.special", "scipy.ndimage", "scipy.spatial")
"""What takes long to import, and what the command that simulates can do without."""
QUICK = (
    *(f"verbs.{verb}" for verb in ("simulate", "ingest", "verify", "export", "reconstruct", "judge", "phase")),
    "report.printing",
)
"""Modules of commands that begin without."""
SIMULATE = ("cli", "verbs.simulate", "report.printing", "work.schedulers")
"""Modules of the command that simulates."""
SHOWN_WITHOUT = (*LATE[1:], "gemmi", "scipy.fft", "scipy.special", "scipy.ndimage", "scipy.spatial")
"""What takes long to import, and what the explorer needs for what a visitor may ask of it, not for its page."""
SERVED_WITHOUT = (*LATE, *SHOWN_WITHOUT, "holoviews", "xarray", "numba")
"""What takes long to import, and what the explorer's server can do without until a page is made."""
BLOCK = f"import sys; sys.modules.update(dict.fromkeys({BLOCKED}))"
"""A line of Python, after which these cannot be imported."""


def modules(*, explorer: bool) -> list[Path]:
    """Modules of the explorer, or all others."""
    package = ROOT / "xfeldask"
    return [
        path
        for path in sorted(package.rglob("*.py"))
        if (path.relative_to(package).with_suffix("").parts[0] in EXPLORER) == explorer
    ]


def imported(paths: Iterable[Path]) -> set[str]:
    """Distributions that modules import, anywhere in them."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    known = packages_distributions()
    foreign = found - sys.stdlib_module_names - {"xfeldask"}
    return {normal(known[name][0]) for name in foreign}


def declared(requirements: Iterable[str]) -> set[str]:
    """Distributions that requirements name."""
    return {normal(re.match(r"[\w.-]+", text)[0]) for text in requirements}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_core__imports_what_it_declares_and_nothing_else():
    extras = [PROJECT["optional-dependencies"][name] for name in ("skopi", "beamlines", "bucket", "icechunk")]
    optional = set().union(*map(declared, extras))
    assert imported(modules(explorer=False)) - optional == declared(PROJECT["dependencies"]) - NAMED_ONLY


def test_explorer__imports_what_the_core_and_its_extra_declare():
    extra = declared(PROJECT["optional-dependencies"]["explorer"])
    found = imported(modules(explorer=True))
    assert found <= extra | declared(PROJECT["dependencies"])
    assert extra <= found


def test_explore__looks_for_all_packages_of_its_extra():
    from xfeldask.cli.explore import NEEDED

    named = [re.match(r"[\w-]+", needs)[0] for needs in PROJECT["optional-dependencies"]["explorer"]]
    assert sorted(NEEDED) == sorted(name.replace("-", "_") for name in named)


def test_core__imports_and_simulates_without_what_the_explorer_needs(tmp_path):
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in modules(explorer=False)
        if path.stem != "__main__"
    ]
    atom = tmp_path / "atom.pdb"
    atom.write_text(ATOM)
    words = ["xfeldask", "simulate", str(tmp_path / "a.zarr"), "--particle", str(atom), "--detector", "square-32"]
    words += ["--n-shots", "4", "--workers", "1"]
    script = tmp_path / "script.py"
    script.write_text(f"""{BLOCK}
if __name__ == "__main__":
    import importlib
    from xfeldask import simulate
    from xfeldask.cli import main
    from xfeldask.report.printing import print_run

    assert not [name for name in {LATE} if name in sys.modules]
    for name in {names}:
        importlib.import_module(name)
    sys.argv = {words}
    known = set(sys.modules)
    try:
        main()
    finally:
        assert "distributed" not in set(sys.modules) - known
""")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 shots" in done.stderr
    assert "dashboard" not in done.stderr


def test_command__begins_without_what_only_some_of_its_work_needs():
    script = "import sys"
    for begun, late in ((SIMULATE, NOT_TO_SIMULATE), (QUICK, LATE)):
        modules = ", ".join(f"xfeldask.{name}" for name in begun)
        script += f"; import {modules}; print([name for name in {late} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n[]\n", "")


def test_commands__are_known_without_what_asks_servers():
    script = "import sys, xfeldask.cli; print('ssl' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False).stdout == "False\n"
    )


def test_explorer__answers_and_shows_a_page_without_what_only_some_of_it_needs():
    script = "import sys"
    for begun, late in (("serving", SERVED_WITHOUT), ("view.page", SHOWN_WITHOUT)):
        script += f"; import xfeldask.explorer.{begun}; print([name for name in {late} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n[]\n", "")


def test_version__is_told_by_the_package_and_the_command(run):
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", __version__)
    code, out, _ = run("--version")
    assert code == 0
    assert __version__ in out.split()[-1]
