"""Zarr stores: layout, commit, open, verify."""
