"""Shows the observations and restatements of a run, from rows of orchestrator.*."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

from runner.cli.output import is_terminal, row_counts, say, table, terminal_width
from runner.cli.show.lines import can_write

Row = Mapping[str, Any]

WIDEST_BAR = 40
NO_BUILDS = "no build has succeeded yet: python -m runner build"
# Restated days that are shown to a person.
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
    """Show what a build observed, with a bar for each value."""
    for name, group in groupby(rows, key=lambda row: row["observation"]):
        say()
        say(f"observed: {name}")
        _draw(list(group))


def restatements(days: Sequence[Row]) -> None:
    """Show the published days that a build changed, a line each; the last day apart."""
    for (name, is_last), group in groupby(days, key=lambda row: (row["table"], row["is_last_day"])):
        rows = list(group)
        say()
        if is_last:
            say(f"the last published day, which was still incomplete: {name}")
        else:
            what = "days" if rows[0]["day"] else "rows"
            say(f"published {what} that changed, largest change first: {name}")
        for row in rows[:SHOWN_DAYS]:
            say(restated(row, terminal_width()))
        if len(rows) > SHOWN_DAYS:
            rest = f"{len(rows) - SHOWN_DAYS:,} more"
            say(f"and {rest}: see --json, or orchestrator.restatements")


def trend(builds: Sequence[dict[str, Any]]) -> None:
    """Show how long builds took, the last one last: with a bar each for a person at a terminal."""
    if not builds or not is_terminal():
        table(builds, NO_BUILDS)
        return
    run = max(len(str(build["run"])) for build in builds)
    kind = max(len(build["build"]) for build in builds)
    rows = [
        {
            "label": f"{build['run']:>{run}}  {build['started_at']}  {build['build']:<{kind}}",
            "value": build["seconds"],
        }
        for build in builds
    ]
    _draw(rows)


def _draw(rows: Sequence[Row]) -> None:
    say("\n".join(histogram(rows, terminal_width(), "█" if can_write("█") else "#")))


def histogram(rows: Sequence[Row], width: int, solid: str) -> list[str]:
    """Draw a line for each row of one observation: its label, its value, and a bar where bars can
    be drawn. The smallest value above zero gets a bar, a value that is not finite gets none.
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
    """Describe a published row that changed: its key, and as many changes as a line takes."""
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
    """The rest of the key; the slice `all` has the value `all` too, and shows it once."""
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
    """Both, with as few decimals as tell them apart."""
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
    """Whether it can be computed with: a finite number, not a truth value."""
    is_numeric = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return is_numeric and Decimal(value).is_finite()
