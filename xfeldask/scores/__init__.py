"""Scores against the truth, each beside what chance and an oracle would reach."""

from xfeldask.scores.calibration import Calibration, calibration, wilson
from xfeldask.scores.classes import COLORS, KINDS, OUTCOMES, ShotClass
from xfeldask.scores.confusion import Confusion, confusion_class
from xfeldask.scores.detection import SortingScores, precision_recall, roc, sorting_scores
from xfeldask.scores.orientation import OrientationScores, orientation_scores

__all__ = [
    "COLORS",
    "KINDS",
    "OUTCOMES",
    "Calibration",
    "Confusion",
    "OrientationScores",
    "ShotClass",
    "SortingScores",
    "calibration",
    "confusion_class",
    "orientation_scores",
    "precision_recall",
    "roc",
    "sorting_scores",
    "wilson",
]
