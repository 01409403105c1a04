"""The physics of a pattern: arrays in, arrays out."""
