"""What draws the photons of a shard, and what a worker keeps between shards."""
