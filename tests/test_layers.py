"""Rooms of the package import only from the rooms before them, and no name stands for two subjects."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOMS = [
    "errors",
    "machine",
    "devices",
    "registry",
    "units",
    "schema",
    "records",
    "config",
    "physics",
    "features",
    "latent",
    "orient",
    "sorting",
    "scores",
    "store",
    "formats",
    "engines",
    "work",
    "verbs",
    "report",
    "explorer",
    "cli",
]
ELSEWHERE = {"dashboard": "explorer", "__main__": "cli"}
ALLOWED = {
    "dask": ("work",),
    "distributed": ("work",),
    "dask_ml": ("work",),
    "panel": ("explorer/view", "explorer/tabs", "explorer/serving"),
    "panel_material_ui": ("explorer/view", "explorer/tabs"),
    "holoviews": ("explorer/view", "explorer/tabs"),
    "h5py": ("formats",),
    "zarr": ("store", "formats", "engines", "work", "verbs", "explorer/model"),
    "xarray": ("store", "engines", "work", "verbs", "report", "explorer"),
    "click": ("cli",),
    "skopi": ("engines",),
}
"""Modules and rooms that may import what is costly or foreign; everybody may import anything else."""
SAME_SUBJECT = {
    "config": "experiments and the command about them",
    "export": "shots written for other programs, and figures of the explorer",
    "report": "what is written about runs, and the command that writes it",
    "species": "what is in the beam: asked for, read, and made of bodies",
    "orientation": "orientations scored, and looked at",
    "known_background": "the background of a run: as it is stored, and as it is found",
    "labels": "what people say of shots: as it is stored, and as it is given",
    "particle_kinds": "kinds of particles found, as they are stored, and the command that finds them",
    "statistics": "statistics of patterns, worked out and shown",
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
            rooms = ALLOWED.get(module[0])
            if rooms and not any(where == allowed or where.startswith(f"{allowed}/") for allowed in rooms):
                told.append(f"{where}: imports {module[0]}, which only {', '.join(rooms)} may")
            if module[0] != name:
                continue
            if len(module) == 1 or room_of(module[1:]) not in ROOMS:
                told.append(f"{where}: {room} imports {'.'.join(module)}, which is no room")
            elif ROOMS.index(room_of(module[1:])) > ROOMS.index(room):
                told.append(f"{where}: {room} imports {'.'.join(module)}")
    return told


def test_rooms__import_only_from_the_rooms_before_them():
    assert violations(PACKAGE) == []


def test_explorer__is_model_then_views_then_tabs():
    order, told = ["model", "view", "tabs"], []
    for path in sorted((PACKAGE / "explorer").glob("*/*.py")):
        here = "xfeldask", "explorer", path.parent.name
        later = {("xfeldask", "explorer", folder) for folder in order[order.index(path.parent.name) + 1 :]}
        if later & {module[:3] for module in imported(path.read_text("utf-8"), here)}:
            told.append(path.name)
    assert told == ["page.py"], "the page shows the tabs"


def test_rooms__are_the_package():
    modules = {room_of(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py")}
    assert modules - {"__init__"} <= set(ROOMS)
    assert set(ROOMS) <= modules
    assert len(set(ROOMS)) == len(ROOMS)


def written(root: Path, **modules: str) -> Path:
    """A fake package; two underscores in a name stand for a folder."""
    for name, source in modules.items():
        path = root / "house" / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return root / "house"


def only(module: str) -> str:
    return ", ".join(ALLOWED[module])


def namesakes(root: Path) -> list[str]:
    """Names that two modules share, or a module and a room."""
    places: dict[str, list[str]] = {}
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root).with_suffix("").parts
        if len(inside) > 1 and inside[-1] != "__init__":
            places.setdefault(inside[-1], []).append("/".join(inside))
    told = []
    for name, found in places.items():
        # a command is named after the verb that it runs
        others = [where for where in found if not where.startswith("cli/")]
        if len(others) > 1 or (name in ROOMS and found):
            told.append(f"{name}: {', '.join(found)}")
    return told


def test_modules__of_one_name_are_known_to_be_about_one_subject():
    assert {told.partition(":")[0] for told in namesakes(PACKAGE)} == set(SAME_SUBJECT)


def test_namesakes__are_found(tmp_path):
    house = written(tmp_path, store__run="", work__run="", cli__embed="", verbs__embed="", latent__store="")
    assert namesakes(house) == ["store: latent/store", "run: store/run, work/run"]


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
        ("physics__volume", "if True:\n    import house.work.tasks", "physics imports house.work.tasks"),
        ("physics__volume", "import dask.array as da", f"imports dask, which only {only('dask')} may"),
        ("physics__volume", "def f():\n    import xarray", f"imports xarray, which only {only('xarray')} may"),
        ("latent__pca", "from zarr.storage import LocalStore", f"imports zarr, which only {only('zarr')} may"),
        ("verbs__embed", "from dask.base import compute", f"imports dask, which only {only('dask')} may"),
        ("store__layout", "from distributed import Client", f"imports distributed, which only {only('dask')} may"),
        ("explorer__model__shots", "import panel as pn", f"imports panel, which only {only('panel')} may"),
        ("explorer__models", "import panel as pn", f"imports panel, which only {only('panel')} may"),
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
        latent__pca="import numpy\nfrom house.physics import atoms",
        work__tasks="import dask, dask_ml\nfrom house.latent.pca import IncrementalPCA",
        store__layout="import zarr, xarray\nfrom house.sorting.decision import decide",
        explorer__view__page="import panel\nfrom house.verbs.simulate import simulate",
        dashboard="from house.explorer.view.page import page",
        cli="from house.verbs.simulate import simulate",
    )
    (house / "__init__.py").write_text("from house.cli import main")
    (house / "__main__.py").write_text("from house.cli import main")
    assert violations(house) == []
