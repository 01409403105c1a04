"""The series of the 2020 poster: its table, curves and page."""
