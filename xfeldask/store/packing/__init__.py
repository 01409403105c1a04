"""How chunks become bytes: Zstandard, shards, and the code that reads and writes them."""
