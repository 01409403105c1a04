"""Sparse photons against slices of intensities at a grid of rotations. Arrays in, arrays out."""
