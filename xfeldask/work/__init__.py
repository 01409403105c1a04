"""Work for Dask: tasks, schedulers, progress. The only room that imports dask."""
