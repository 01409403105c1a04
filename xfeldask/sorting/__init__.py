"""Verdicts on shots: rules, and the decision from scores to single hits."""
