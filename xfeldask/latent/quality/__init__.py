"""Scores against the truth, each beside what chance and an oracle would reach."""

from xfeldask.latent.quality.calibration import Calibration, calibration, wilson
from xfeldask.latent.quality.orientation import OrientationScores, orientation_scores
from xfeldask.latent.quality.sorting import (
    CLASSES,
    SortingScores,
    confusion_class,
    precision_recall,
    roc,
    sorting_scores,
)

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
