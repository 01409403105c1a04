"""Scores against the truth, each beside what chance and an oracle would reach."""

from xfeldask.scores.calibration import Calibration, calibration, wilson
from xfeldask.scores.confusion import (
    CLASSES,
    SortingScores,
    confusion_class,
    precision_recall,
    roc,
    sorting_scores,
)
from xfeldask.scores.orientation import OrientationScores, orientation_scores

__all__ = [
    "CLASSES",
    "Calibration",
    "OrientationScores",
    "SortingScores",
    "calibration",
    "confusion_class",
    "orientation_scores",
    "precision_recall",
    "roc",
    "sorting_scores",
    "wilson",
]
