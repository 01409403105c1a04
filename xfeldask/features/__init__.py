"""Rows of numbers made of shots' images."""
