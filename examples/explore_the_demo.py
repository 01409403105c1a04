"""Open the explorer on the store of `make demo`, or on any other: python examples/explore_the_demo.py run.zarr."""

import sys
from pathlib import Path

from xfeldask.explorer.serving import Options, serve

DEMO = Path("demo/run.zarr")


def main(store: str | Path = DEMO, port: int = 5006) -> None:
    print(f"http://127.0.0.1:{port}, until Ctrl-C")
    serve(Options((Path(store),)), port=port, show=True)


if __name__ == "__main__":
    main(*sys.argv[1:2])
