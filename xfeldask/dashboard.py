"""The explorer for ``panel serve xfeldask/dashboard.py --address 127.0.0.1 --args --store run.zarr``."""

from __future__ import annotations

from xfeldask.explorer.serving import served_page

served_page().servable(title="xfeldask explorer")
