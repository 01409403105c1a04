"""One run of `simulate`, as a script of its own: ``one_run.py store particle n_shots threads|processes device``.

Prints the seconds that the shards took, without what comes before and after.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import Any
from unittest import mock


def main(store: str, particle: str, n_shots: str, workers: str, device: str) -> None:
    import dask
    from distributed import Client, LocalCluster

    from xfeldask import simulate
    from xfeldask.work.compute import run_tasks

    seconds = []

    def timed(*arguments: Any) -> Any:
        start = time.perf_counter()
        out = run_tasks(*arguments)
        seconds.append(time.perf_counter() - start)
        return out

    with ExitStack() as stack:
        if workers == "processes":
            cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
            stack.enter_context(Client(stack.enter_context(cluster)))
        else:
            stack.enter_context(dask.config.set(scheduler="threads", num_workers=2))
        stack.enter_context(mock.patch("xfeldask.verbs.parts.pending.run_tasks", timed))
        simulate(store, particle=particle, n_shots=int(n_shots), single_fraction=0.99, seed=7, device=device,
                 progress=False)  # fmt: skip
    print(seconds[0])


# worker processes import this file
if __name__ == "__main__":
    main(*sys.argv[1:])
