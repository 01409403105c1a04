"""One particle or two, where it is known what the particle is made of."""
