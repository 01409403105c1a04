"""Settings of a whole process that libraries keep, as text by name, so that two moments can be compared."""

from __future__ import annotations

import ast
import importlib
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PLAIN = (bool, int, float, str, tuple, list, dict, set, type(None))


def modules(folder: Path) -> list[str]:
    """Names of all modules below a folder of the package."""
    paths = [path.relative_to(ROOT).with_suffix("") for path in sorted(folder.rglob("*.py"))]
    return [".".join(path.parts).removesuffix(".__init__") for path in paths]


def import_others() -> None:
    """Import whatever else the package imports, so that what it sets itself is not taken for ours."""
    for path in sorted((ROOT / "xfeldask").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                if name.partition(".")[0] not in ("xfeldask", "skopi"):
                    importlib.import_module(name)


def state() -> dict[str, str]:
    """Settings by name."""
    return {name: repr(value) for name, value in _settings()}


def _settings() -> Iterator[tuple[str, Any]]:
    import dask
    import matplotlib
    import numpy as np
    import zarr
    from bokeh.io import curdoc
    from bokeh.settings import settings

    yield from ((f"environment {name}", value) for name, value in os.environ.items())
    yield "warnings", warnings.filters
    yield "hooks", (warnings.showwarning, sys.excepthook, sys.displayhook, signal.getsignal(signal.SIGINT))
    yield "logging", (logging.root.level, logging.root.handlers, logging.root.manager.disable)
    yield "numpy", (np.geterr(), np.get_printoptions())
    yield "dask", dask.config.config
    yield "zarr", zarr.config.config
    yield from ((f"matplotlib {name}", value) for name, value in matplotlib.rcParams.items())
    yield "matplotlib", matplotlib.get_backend()
    known = [name for name, kind in vars(type(settings)).items() if hasattr(kind, "env_var")]
    yield from ((f"bokeh {name}", getattr(settings, name)()) for name in known)
    yield "bokeh theme", curdoc().theme._json
    yield from _panel()
    yield from _holoviews()


def _panel() -> Iterator[tuple[str, Any]]:
    import panel as pn

    yield from (
        (f"panel {name}", value) for name, value in pn.config.param.values().items() if isinstance(value, PLAIN)
    )
    yield "panel extension", (pn.extension._loaded, pn.extension._loaded_extensions)


def _holoviews() -> Iterator[tuple[str, Any]]:
    import holoviews as hv
    from holoviews.plotting.bokeh import callbacks

    store = hv.Store
    yield (
        "holoviews",
        (store.current_backend, store.output_settings.options, hv.extension._loaded, store.display_formats),
    )
    yield "holoviews options", {backend: str(store.options(backend)) for backend in sorted(store.renderers)}
    yield "holoviews custom options", {name: list(trees) for name, trees in store._custom_options.items()}
    yield "holoviews streams", {name: sorted(map(str, kinds)) for name, kinds in hv.streams.Stream._callbacks.items()}
    for backend, renderer in store.renderers.items():
        values = renderer.param.values()
        yield from ((f"holoviews {backend} {name}", v) for name, v in values.items() if isinstance(v, PLAIN))
    for name, kind in vars(callbacks).items():
        if isinstance(kind, type) and issubclass(kind, callbacks.Callback):
            plain = {k: v for k, v in vars(kind).items() if isinstance(v, PLAIN) and not k.startswith("_")}
            yield f"holoviews {name}", plain
