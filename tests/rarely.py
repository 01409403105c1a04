"""Cases of a test that are tried in a campaign only: ``@pytest.mark.parametrize("n", [7, rarely(1), rarely(40)])``."""

from __future__ import annotations

from typing import Any

import pytest


def rarely(*values: Any) -> Any:
    """A case that guards what another case guards every day."""
    return pytest.param(*values, marks=pytest.mark.campaign)
