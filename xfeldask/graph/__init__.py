"""Dask graphs: built here, computed elsewhere."""
