"""The pair rule: fringes, distances and photons weighed on pairs made of the data's own singles."""
