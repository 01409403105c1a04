"""A run and a series that are simulated in no time."""

SMALL = ["--particle", "chaperonin", "--detector", "square-64", "--n-shots", "12", "--scheduler", "threads"]
SERIES = ["--sizes", "1000", "--mixtures", "0.9", "--detector", "square-64", "--scheduler", "threads"]
