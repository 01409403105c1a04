"""What this machine lets this process have."""

from __future__ import annotations


def cores() -> int:
    """Return how many cores this process may use: of the machine's, those of its affinity and its control group.

    Examples
    --------
    >>> cores() > 0
    True
    """
    import joblib  # takes a while

    return int(joblib.cpu_count())
