"""Where stores lie: folders, buckets, objects of zarr; one writer at a time, replaced in one step."""
