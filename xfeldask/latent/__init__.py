"""Latent spaces and sorting: arrays in, arrays out."""
