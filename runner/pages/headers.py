"""Reads the comment that a script of SQL begins with."""

from __future__ import annotations


def leading_comment(text: str) -> list[str]:
    """Return the lines of the comment, without their dashes."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").removeprefix(" "))
    return lines
