"""Simulates and embeds on workers that are SLURM jobs: python dask_jobs.py STORE. Needs pip install dask-jobqueue."""

import sys
from typing import Any

from dask_jobqueue import SLURMCluster
from distributed import Client

from xfeldask import embed, simulate


def main(
    store: str, n_shots: int = 100_000, detector: str = "pnccd-amo86615", jobs: int = 8, cores: int = 16, **site: Any
) -> None:
    """Other keywords are those of the site: queue="shared", account="mx1234", memory="64GB"."""
    site = {"memory": "32GB", "walltime": "01:00:00"} | site
    with SLURMCluster(cores=cores, processes=1, **site) as cluster, Client(cluster) as client:
        cluster.scale(jobs=jobs)
        print("dashboard:", client.dashboard_link)
        simulate(store, particle="chaperonin", detector=detector, n_shots=n_shots, hits={0: 0.1, 1: 0.75, 2: 0.15})
        print(embed(store).is_single.values.mean(), "of the shots are single hits")


if __name__ == "__main__":
    main(*sys.argv[1:2])
