"""Zarr stores: a run that was opened, its layout and its shards; a room each for the rest of what stores are."""
