"""Parameters of tests that go through all there is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def slow_but(values: Iterable[Any], *quick: Any) -> list[Any]:
    """All of them for the slow tests, and a few that stand for the others for the quick ones."""
    values = list(values)
    assert set(quick) <= set(values)
    return [
        value if value in quick else pytest.param(value, marks=pytest.mark.slow) for value in values
    ]
