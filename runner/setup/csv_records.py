"""Cuts CSV text into records, and says what is wrong with damaged ones.

A record is one line, or several where a quoted field holds line breaks. Quotes are those of RFC
4180: around a whole field, doubled inside. A line that breaks that is a record by itself, and
reading goes on in the next one; so a quote that is never closed costs one line, not the rest of the
file. Lines end with a line feed, or carriage return and line feed. Empty lines are no records.
"""

import re
from collections.abc import Iterator

LONGEST = 1 << 20  # bytes; a longer record has a quote that is never closed

# No text matches in two ways, so matching never backtracks for long. Groups are not possessive
# (`)*+`): before Python 3.11.5 those could match wrongly.
_QUOTED = rb'"(?:[^"]++|"")*"(?!")'
FIELD = rb'(?:%s|[^",\r\n]*+)' % _QUOTED
_RECORD = rb"%s(?:,%s)*\r?\n" % (FIELD, FIELD)
QUOTED = re.compile(_QUOTED)
FIELDS = re.compile(rb"(?:%s,)*" % FIELD)
RECORD = re.compile(_RECORD)
RECORDS = re.compile(rb"(?:%s){0,200}" % _RECORD)  # a match remembers each of them
UNFINISHED = re.compile(rb'(?:%s,)*(?:%s|"(?:[^"]++|"")*)\r?\Z' % (FIELD, FIELD))


def end_of_records(block: bytes) -> int:
    """Return where the last record ends that is certainly whole; a damaged line counts as one."""
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
    """Return where the whole records end that begin at a position."""
    while (end := RECORDS.match(block, position).end()) > position:  # type: ignore[union-attr]
        position = end
    return position


def is_clean(block: bytes) -> bool:
    """Tell whether COPY reads a block as we do: it forgives wrong quotes, and stops at `\\.`."""
    return (
        not block.startswith(b"\\.")
        and b"\n\\." not in block
        and (b'"' not in block or _end_of_whole(block, 0) == len(block))
    )


def records(block: bytes, line: int, columns: list[str]) -> Iterator[tuple[int, bytes, str]]:
    """Yield line number, text and problem of each record; the problem may be empty."""
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
        return "it holds a NUL byte"
    try:
        record.decode()
    except UnicodeDecodeError as error:
        return f"it is not UTF-8: byte 0x{record[error.start]:02x}"
    if not is_well_formed:
        return _damage(record, columns)
    count = _commas(record) + 1
    if count == len(columns):
        return ""
    return f"{count} field{'s' * (count > 1)}, the header has {len(columns)}"


def _damage(record: bytes, columns: list[str]) -> str:
    """Say what is wrong with the first field that RFC 4180 does not allow."""
    start = FIELDS.match(record).end()  # type: ignore[union-attr]
    index = _commas(record[:start])
    name = columns[index] if index < len(columns) else f"field {index + 1}"
    if record.startswith(b'"', start):
        is_closed = QUOTED.match(record, start)
        return (
            f"{name}: {'text after the closing quote' if is_closed else 'the quote is not closed'}"
        )
    if b'"' in re.split(rb"[,\r]", record[start:])[0]:
        return f"{name}: a quote inside a field that does not begin with one"
    return f"{name}: a carriage return inside the line"


def _commas(record: bytes) -> int:
    """Count the commas that separate fields."""
    return (QUOTED.sub(b"", record) if b'"' in record else record).count(b",")


def as_text(record: bytes) -> str:
    """Return a line as a text: bytes that none can hold become escapes, in doubled backslashes."""
    try:
        text = record.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" not in text:
        return text
    escaped = record.replace(b"\\", b"\\\\").decode(errors="backslashreplace")
    return escaped.replace("\0", r"\x00")
