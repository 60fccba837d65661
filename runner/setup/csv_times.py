"""Times in CSV text: written year first, or in the order that --dates names; never guessed.

PostgreSQL accepts more: depending on datestyle it reads 05/01/2026 as 5 January or May 1, and it
accepts `today`, `now` and `epoch`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from runner.setup.csv_records import FIELD
from runner.setup.source import SourceColumn

DateOrder = Literal["ymd", "dmy", "mdy"]

_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?"
_ZONE = r"(?: ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?))?"
_NO_OFFSET = r"(?: ?(?:Z|UTC|[+-]00(?::?00)?))?"  # PostgreSQL would ignore any other
_YEAR_FIRST = r"\d{4}-\d\d-\d\d"
# As spreadsheets write it: one digit or two, and hours from 1 to 12.
_OTHER = r"(?:\d{1,2}/\d{1,2}/\d{4}|\d{1,2}\.\d{1,2}\.\d{4}|\d{1,2}-\d{1,2}-\d{4})"
_OTHER_CLOCK = r"\d{1,2}:[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?: ?[AaPp][Mm])?"
_MIDNIGHT = r"(?:[ T]00:00(?::00(?:\.0{1,9})?)?)?"
WORDS = {
    "ymd": "a time written year first, as 2026-01-31 10:00:00",
    "dmy": "a time written year first, or day first, as 31/01/2026 10:00",
    "mdy": "a time written year first, or month first, as 01/31/2026 10:00",
}


class Times:
    """The columns of a file that contain times, with patterns for lines whose time is invalid."""

    def __init__(
        self, names: Sequence[str], columns: Iterable[SourceColumn], order: DateOrder
    ) -> None:
        """`names` are the columns in the header, in order."""
        self.order = order
        times = [column for column in columns if column.time_type and column.name in names]
        self.names = [column.name for column in times]
        # That many fields, and then one that is not a valid time.
        self.patterns = [
            re.compile(
                rb"^(?:%s,){%d}(?!%s?(?:,|\r?$))"
                % (FIELD, names.index(column.name), _field(column, order).encode()),
                re.MULTILINE,
            )
            for column in times
        ]

    def all_fit(self, block: bytes) -> bool:
        """Whether all times are valid; line breaks in quotes may wrongly make it say no."""
        return not any(pattern.search(block) for pattern in self.patterns)

    def problem(self, record: bytes) -> str:
        """Return which time of a well-formed record is invalid, or an empty text."""
        for name, pattern in zip(self.names, self.patterns, strict=True):
            if found := pattern.match(record):
                value = re.match(FIELD, record[found.end() :])
                text = value[0].decode() if value else ""
                return f"{name} is not {WORDS[self.order]}: {text[:100]}"
        return ""


def _field(column: SourceColumn, order: DateOrder) -> str:
    """Return the pattern of a field. In arrays and ranges, times are written year first."""
    if not column.has_parts:
        time = _written(column.time_type or "", order)
        return f'(?:{time}|"(?:{time})?")'
    part = rf"(?:empty|NULL|{_written(column.time_type or '', 'ymd')})(?!\w)"
    return rf'(?:(?:[\[\](){{}} ]|{part})+|"(?:[\[\](){{}}, ]|""|{part})*")'


def _written(type_name: str, order: DateOrder) -> str:
    """Return the pattern of a time. That of a date allows no time of day but midnight."""
    zone = _ZONE if type_name.endswith("with time zone") else _NO_OFFSET
    if type_name.startswith("time "):
        return _OTHER_CLOCK + zone
    clock, other_clock = f"(?:[ T]{_CLOCK}{zone})?", f"(?: {_OTHER_CLOCK}{zone})?"
    if type_name.startswith("date"):
        clock = other_clock = _MIDNIGHT
    year_first = _YEAR_FIRST + clock
    return year_first if order == "ymd" else f"(?:{year_first}|{_OTHER}{other_clock})"
