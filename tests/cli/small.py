"""A run and a series that are simulated in no time."""

SMALL = ["--particle", "chaperonin", "--detector", "square-64", "--n-shots", "12", "--scheduler", "threads"]
ATOM = "ATOM      1  C   GLY A   1       0.000   0.000   0.000  1.00  0.00           C\n"
"""A PDB file of one, for a process of its own, which would have to work out the form factor of more."""
SERIES = ["--sizes", "1000", "--mixtures", "0.9", "--detector", "square-64", "--scheduler", "threads"]
