"""Shows runs from rows of orchestrator.*: their list, observations, restatements and times."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

from runner.cli.output import aligned, drawable, is_terminal, row_counts, say, table, terminal_width

Row = Mapping[str, Any]

WIDEST_BAR = 40
NO_BUILDS = "no build has succeeded yet: python -m runner build"
# Maximum number of restated days shown as text.
SHOWN_DAYS = 20


def runs(rows: Sequence[dict[str, Any]], empty: str, columns: Sequence[str]) -> None:
    """List runs, and below them the errors of those that failed."""
    for row in rows:
        counts = row["inserted"], row["updated"], row["deleted"], row.get("rejected", 0)
        row["rows"] = row_counts(*counts)
    table(rows, empty, columns)
    for row in rows:
        if row["error"]:
            say(f"run {row['run']}: {row['error']}")


def observations(rows: Sequence[Row]) -> None:
    """Show the observations of a build as bar charts."""
    for name, group in groupby(rows, key=lambda row: row["observation"]):
        say(f"\nobserved: {name}")
        _draw(list(group))


def restatements(days: Sequence[Row]) -> None:
    """Show the published days that a build changed, one per line; the last day separately."""
    for (name, is_last), group in groupby(days, key=lambda row: (row["table"], row["is_last_day"])):
        rows = list(group)
        if is_last:
            say(f"\nthe last published day, which was still incomplete: {name}")
        else:
            what = "days" if rows[0]["day"] else "rows"
            say(f"\npublished {what} that changed, largest change first: {name}")
        for row in rows[:SHOWN_DAYS]:
            say(restated(row, terminal_width()))
        if len(rows) > SHOWN_DAYS:
            more = len(rows) - SHOWN_DAYS
            say(f"and {more:,} more: see --json or orchestrator.restatements")


def trend(builds: Sequence[dict[str, Any]]) -> None:
    """Show how long builds took, the latest one last; on a terminal, with bars."""
    if not builds or not is_terminal():
        table(builds, NO_BUILDS)
        return
    width = max(len(str(build["run"])) for build in builds)
    cells = [[f"{each['run']:>{width}}", each["started_at"], each["build"]] for each in builds]
    values = [build["seconds"] for build in builds]
    pairs = zip(aligned(cells), values, strict=True)
    _draw([{"label": label, "value": value} for label, value in pairs])


def _draw(rows: Sequence[Row]) -> None:
    say("\n".join(histogram(rows, terminal_width(), drawable("█", "#"))))


def histogram(rows: Sequence[Row], width: int, solid: str) -> list[str]:
    """Return a line for each row of an observation: its label, its value, and a bar if there is
    room and no value is negative. Every value above zero gets a bar, unless it is not finite.
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
    """Return a published row that changed as one line: its key, and as many changes as fit."""
    line = "  ".join(filter(None, (row["day"], _name(row))))
    if row["after"] is None:
        return f"{line}  was removed"
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
    """Return the key without its day. The slice `all` and its value `all` are shown once."""
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
    """Return both values, with as few decimals as distinguish them."""
    if _is_number(old) and _is_number(new):
        for decimals in range(6):
            texts = f"{old:,.{decimals}f}", f"{new:,.{decimals}f}"
            if texts[0] != texts[1]:
                return " -> ".join(texts)
    return f"{_text(old)} -> {_text(new)}"


def _share(old: Any, new: Any) -> float:
    """Return the relative change, from 0 to 1."""
    if not _is_number(old) or not _is_number(new):
        return 1.0
    return float(abs(new - old) / (max(abs(old), abs(new)) or 1))


def _percent(old: Any, new: Any) -> str:
    if not _is_number(old) or not _is_number(new) or not old:
        return ""
    percent = (new - old) / abs(old) * 100
    return f" ({percent:+,.{1 if abs(percent) < 10 else 0}f} %)"


def _is_number(value: Any) -> bool:
    """Whether a value is a finite number, and not a boolean."""
    is_numeric = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return is_numeric and Decimal(value).is_finite()
