"""The same calls on a cluster: whatever client Dask has active does the work."""

import tempfile

from distributed import Client, LocalCluster

from xfeldask import simulate


def main(n_shots: int = 2000, detector: str = "square-256") -> None:
    with LocalCluster(n_workers=2, dashboard_address="127.0.0.1:0") as cluster, Client(cluster) as client:
        print("dashboard:", client.dashboard_link)
        ds = simulate(
            tempfile.mkdtemp() + "/run.zarr",
            particle="chaperonin",
            detector=detector,
            n_shots=n_shots,
            nuisance="realistic",
            hits={0: 0.2, 1: 0.7, 2: 0.1},
        )
        print(ds.photon_count.to_series().describe())


if __name__ == "__main__":
    main()
