"""Latent spaces: arrays in, arrays out."""
