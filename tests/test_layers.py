"""Rooms of the package import only from the rooms before them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOMS = [
    "errors",
    "config",
    "physics",
    "latent",
    "schema",
    "graph",
    "store",
    "formats",
    "pipeline",
    "explorer",
    "cli",
]
ELSEWHERE = {"dashboard": "explorer", "__main__": "cli"}
FORBIDDEN = {
    "physics": {"dask", "distributed", "dask_ml", "xarray", "zarr", "panel", "holoviews"},
    "latent": {"dask", "distributed", "xarray", "zarr", "panel", "holoviews"},
    "graph": {"xarray", "zarr", "panel", "holoviews"},
    "store": {"dask", "distributed", "dask_ml", "panel", "holoviews"},
}
PACKAGE = Path(__file__).resolve().parents[1] / "xfeldask"


def room_of(parts: tuple[str, ...]) -> str:
    """Room of a module given by its path inside the package."""
    return ELSEWHERE.get(parts[0], parts[0])


def imported(source: str, package: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Every module that `source`, a module of `package`, imports anywhere, as the parts of its name."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            # `from xfeldask import store` names a module only by what is imported
            found |= {(*base, alias.name) if len(base) < 2 else base for alias in node.names}
    return found


def violations(root: Path) -> list[str]:
    """What the modules below `root`, the folder of a package, import though they must not."""
    name = root.name
    told = []
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root).with_suffix("").parts
        if inside == ("__init__",):
            continue
        room = room_of(inside)
        where = "/".join(inside)
        if room not in ROOMS:
            told.append(f"{where}: {room} is no room")
            continue
        for module in sorted(imported(path.read_text("utf-8"), (name, *inside[:-1]))):
            if module[0] in FORBIDDEN.get(room, set()):
                told.append(f"{where}: {room} imports {module[0]}")
            if module[0] != name:
                continue
            if len(module) == 1 or room_of(module[1:]) not in ROOMS:
                told.append(f"{where}: {room} imports {'.'.join(module)}, which is no room")
            elif ROOMS.index(room_of(module[1:])) > ROOMS.index(room):
                told.append(f"{where}: {room} imports {'.'.join(module)}")
    return told


def test_rooms__import_only_from_the_rooms_before_them():
    assert violations(PACKAGE) == []


def test_rooms__are_the_package():
    modules = {room_of(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py")}
    assert modules - {"__init__"} <= set(ROOMS)
    assert {"errors", "config", "physics", "store", "pipeline", "cli"} <= modules


def written(root: Path, **modules: str) -> Path:
    """A fake package; two underscores in a name stand for a folder."""
    for name, source in modules.items():
        path = root / "house" / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return root / "house"


@pytest.mark.parametrize(
    ("module", "source", "told"),
    [
        ("physics__volume", "from house.store.layout import Layout", "physics imports house.store.layout"),
        ("physics__volume", "import house.store", "physics imports house.store"),
        ("physics__volume", "import house.store.layout as layout", "physics imports house.store.layout"),
        ("physics__volume", "from house import store", "physics imports house.store"),
        ("physics__volume", "from ..store import layout", "physics imports house.store"),
        ("physics__volume", "from .. import store", "physics imports house.store"),
        ("physics__volume", "def f():\n    from house.cli import main", "physics imports house.cli"),
        ("physics__volume", "if True:\n    import house.graph.shards", "physics imports house.graph.shards"),
        ("physics__volume", "import dask.array as da", "physics imports dask"),
        ("physics__volume", "def f():\n    import xarray", "physics imports xarray"),
        ("latent__pca", "from zarr.storage import LocalStore", "latent imports zarr"),
        ("latent__pca", "from dask.base import compute", "latent imports dask"),
        ("graph__shards", "import xarray as xr", "graph imports xarray"),
        ("store__layout", "import dask", "store imports dask"),
        ("store__layout", "from distributed import Client", "store imports distributed"),
        ("errors", "from house.config import Beam", "errors imports house.config"),
        ("config", "from house import simulate", "config imports house.simulate, which is no room"),
        ("config", "import house", "config imports house, which is no room"),
        ("attic__old", "", "attic is no room"),
        ("dashboard", "from house.cli import main", "explorer imports house.cli"),
    ],
)
def test_checker__finds(tmp_path, module, source, told):
    found = violations(written(tmp_path, **{module: source}))
    assert found == [f"{module.replace('__', '/')}: {told}"]


def test_checker__lets_the_rest_pass(tmp_path):
    house = written(
        tmp_path,
        physics__volume="import numpy\nfrom house.errors import InputError\nfrom house.physics.atoms import Atoms",
        physics__atoms="from ..config import Beam\nfrom . import jit\nfrom .jit import kernel\nimport dasket",
        latent__pca="from dask_ml.decomposition import IncrementalPCA\nfrom house.physics import atoms",
        graph__shards="import dask\nfrom house.latent.pca import IncrementalPCA",
        store__layout="import zarr, xarray\nfrom house.graph.shards import tasks",
        explorer__app="import panel\nfrom house.pipeline.simulation import simulate",
        dashboard="from house.explorer.app import app",
        cli="from house.pipeline.simulation import simulate",
    )
    (house / "__init__.py").write_text("from house.cli import main")
    (house / "__main__.py").write_text("from house.cli import main")
    assert violations(house) == []
