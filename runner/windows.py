"""How large the next window is: the definition's size at first, then what fits time and rows."""

from __future__ import annotations

from dataclasses import dataclass

TARGET_SECONDS = 10.0
MOST_ROWS = 1_000_000
SMALLEST, LARGEST = 2.0**-30, 2.0**10


@dataclass(slots=True)
class Pace:
    """How many of the definition's window sizes a window takes."""

    share: float = 1.0

    def adapt(self, rows: int, seconds: float) -> None:
        """Learn from a window: aim at so much time and so many rows, by at most a factor of 2."""
        fit = min(TARGET_SECONDS / max(seconds, 0.001), MOST_ROWS / max(rows, 1))
        self.share = min(LARGEST, max(SMALLEST, self.share * min(2.0, max(0.5, fit))))

    def is_too_many(self, rows: int) -> bool:
        """Whether a window that is expected to have so many rows should be smaller."""
        return rows > 2 * MOST_ROWS and self.share > SMALLEST

    def halve(self) -> None:
        """After a statement that took too long, or a window that would."""
        self.share = max(SMALLEST, self.share / 2)
