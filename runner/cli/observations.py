"""How observations and restatements look: lines of text, from rows of orchestrator.*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]

WIDEST_BAR = 40


def histogram(rows: Sequence[Row], width: int, solid: str) -> list[str]:
    """A line for each row of one observation: its label, its value, and a bar where bars can be
    drawn. The smallest value that is not zero is seen; what is not finite has no bar.
    """
    labels = [row["label"] for row in rows]
    numbers = [_text(row["value"]) for row in rows]
    left, right = max(map(len, labels)), max(map(len, numbers))
    room = min(width - left - right - 4, WIDEST_BAR)
    values = [row["value"] if _is_number(row["value"]) else 0 for row in rows]
    top = max(values)
    has_bars = room > 0 and 0 <= min(values) < top
    lines = []
    for label, number, value in zip(labels, numbers, values, strict=True):
        length = max(round(room * value / top), int(value > 0)) if has_bars else 0
        lines.append(f"{label.ljust(left)}  {number.rjust(right)}  {solid * length}".rstrip())
    return lines


def restated(row: Row, width: int) -> str:
    """A row that readers had seen: its key, and what has changed in it, the biggest change first,
    as much as fits on a line.
    """
    line = "  ".join(filter(None, (row["day"], _name(row))))
    if row["after"] is None:
        return f"{line}  is gone"
    changes = sorted(
        ((name, old, row["after"][name]) for name, old in row["before"].items()),
        key=lambda change: (-_share(change[1], change[2]), change[0]),
    )
    left = len(changes)
    for name, old, new in changes:
        text = f"  {name} {_pair(old, new)}{_percent(old, new)}"
        room = width - len(line) - (len(f"  and {left} more") if left > 1 else 0)
        if left == len(changes) or len(text) <= room:
            line += text
            left -= 1
    return f"{line}  and {left} more" if left else line


def _name(row: Row) -> str:
    """The rest of the key; the slice `all` has `all` as its value too, and says it once."""
    values = [str(value) for value in row["key"].values() if value != row["day"]]
    others = f" and {row['rows'] - 1:,} more rows" if row["rows"] > 1 else ""
    return " ".join(dict.fromkeys(values)) + others


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if not _is_number(value):
        return str(value)
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def _pair(old: Any, new: Any) -> str:
    """Both, with no more decimals than tell them apart."""
    if _is_number(old) and _is_number(new):
        for decimals in range(6):
            texts = f"{old:,.{decimals}f}", f"{new:,.{decimals}f}"
            if texts[0] != texts[1]:
                return " -> ".join(texts)
    return f"{_text(old)} -> {_text(new)}"


def _share(old: Any, new: Any) -> float:
    """How much has changed, from 0 to 1."""
    if not _is_number(old) or not _is_number(new):
        return 1.0
    return float(abs(new - old) / (max(abs(old), abs(new)) or 1))


def _percent(old: Any, new: Any) -> str:
    if not _is_number(old) or not _is_number(new) or not old:
        return ""
    percent = (new - old) / abs(old) * 100
    return f" ({percent:+,.{1 if abs(percent) < 10 else 0}f} %)"


def _is_number(value: Any) -> bool:
    """Something to compute with: no truth value, nothing infinite, and what is a number at all."""
    is_numeric = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return is_numeric and Decimal(value).is_finite()
