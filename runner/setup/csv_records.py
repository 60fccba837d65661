"""Splits CSV text into records, and says what is wrong with malformed ones.

A record is one line, or several if a quoted field contains line breaks. Quotes are those of RFC
4180: around a whole field, doubled inside. A line that violates this is a record of its own, and
reading goes on with the next line: a quote that is never closed costs one line, not the rest of the
file. Lines end with a line feed, or carriage return and line feed. Empty lines are skipped.
"""

import re
from collections.abc import Iterator

LONGEST = 1 << 20  # bytes; a longer record must have a quote that is never closed

# No text matches in two ways, so there is little backtracking. Groups are not possessive (`)*+`):
# those could match wrongly before Python 3.11.5.
_QUOTED = rb'"(?:[^"]++|"")*"(?!")'
FIELD = rb'(?:%s|[^",\r\n]*+)' % _QUOTED
_RECORD = rb"%s(?:,%s)*\r?\n" % (FIELD, FIELD)
QUOTED = re.compile(_QUOTED)
FIELDS = re.compile(rb"(?:%s,)*" % FIELD)
RECORD = re.compile(_RECORD)
RECORDS = re.compile(rb"(?:%s){0,200}" % _RECORD)  # bounded, as matching needs memory for each
UNFINISHED = re.compile(rb'(?:%s,)*(?:%s|"(?:[^"]++|"")*)\r?\Z' % (FIELD, FIELD))


def end_of_records(block: bytes) -> int:
    """Return the end of the last record that is certainly complete; a malformed line counts."""
    if b'"' not in block:
        return block.rfind(b"\n") + 1
    position = 0
    while True:
        position = _end_of_whole(block, position)
        end_of_line = block.find(b"\n", position) + 1
        may_go_on = len(block) - position <= LONGEST and UNFINISHED.match(block, position)
        if not end_of_line or may_go_on:
            return position
        position = end_of_line


def _end_of_whole(block: bytes, position: int) -> int:
    """Return the end of the well-formed records that begin at a position."""
    while (end := RECORDS.match(block, position).end()) > position:  # type: ignore[union-attr]
        position = end
    return position


def is_clean(block: bytes) -> bool:
    """Whether COPY reads a block as we do: it allows wrong quotes, and stops at `\\.`."""
    return (
        not block.startswith(b"\\.")
        and b"\n\\." not in block
        and (b'"' not in block or _end_of_whole(block, 0) == len(block))
    )


def records(block: bytes, line: int, columns: list[str]) -> Iterator[tuple[int, bytes, str]]:
    """Yield the line number, the text and the problem of each record; the problem may be empty."""
    position = 0
    while position < len(block):
        found = RECORD.match(block, position)
        end = found.end() if found else block.index(b"\n", position) + 1
        record = block[position : end - 1].removesuffix(b"\r")
        if record:
            yield line, record, _problem(record, columns, found is not None)
        line += block.count(b"\n", position, end)
        position = end


def _problem(record: bytes, columns: list[str], is_well_formed: bool) -> str:
    if b"\0" in record:
        return "it contains a NUL byte"
    try:
        record.decode()
    except UnicodeDecodeError as error:
        return f"it is not UTF-8: byte 0x{record[error.start]:02x}"
    if not is_well_formed:
        return _fault(record, columns)
    count = _commas(record) + 1
    if count == len(columns):
        return ""
    return f"{count} field{'s' * (count > 1)}, the header has {len(columns)}"


def _fault(record: bytes, columns: list[str]) -> str:
    """Return what is wrong with the first field that violates RFC 4180."""
    start = FIELDS.match(record).end()  # type: ignore[union-attr]
    index = _commas(record[:start])
    name = columns[index] if index < len(columns) else f"field {index + 1}"
    if record.startswith(b'"', start):
        is_closed = QUOTED.match(record, start)
        fault = "text after the closing quote" if is_closed else "the quote is not closed"
        return f"{name}: {fault}"
    if b'"' in re.split(rb"[,\r]", record[start:])[0]:
        return f"{name}: a quote inside a field that does not begin with one"
    return f"{name}: a carriage return inside the line"


def _commas(record: bytes) -> int:
    """Count the commas that separate fields."""
    return (QUOTED.sub(b"", record) if b'"' in record else record).count(b",")


def as_text(record: bytes) -> str:
    """Return a record as text. If some bytes have to be escaped, backslashes are doubled."""
    try:
        text = record.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" not in text:
        return text
    escaped = record.replace(b"\\", b"\\\\").decode(errors="backslashreplace")
    return escaped.replace("\0", r"\x00")
