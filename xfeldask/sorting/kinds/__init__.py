"""Kinds of particles among single hits, found without knowing them."""
