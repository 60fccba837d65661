"""CSV files on the machine of the database server, through file_fdw."""

import csv
from collections.abc import Mapping, Sequence

from psycopg import sql

from runner.database.names import MAX_BYTES, fits, join
from runner.database.session import NO_FILE, QueryFailed
from runner.errors import CONVERT, StartError
from runner.ingest.foreign.attachment import CONTRIB, Attachment, options

BYTE_ORDER_MARK = "\ufeff"
NAMES_COLUMNS = "the first line names the columns, separated by commas"
NOT_TEXT = ("22021", "22P05")


class FileAttachment(Attachment):
    """A CSV file with a header, on the machine of the database server.

    Every column is text. column_types gives types to them, also to the cursor, and a row whose
    value does not fit is set aside.
    """

    install = CONTRIB

    @property
    def _remote_options(self) -> Sequence[Mapping[str, str]]:
        return ({"filename": self.address.options["filename"]},)

    def _make_tables(self) -> None:
        name = self.address.options["filename"]
        self._run(
            "create foreign table {server}._lines (line text) server {server} {options}",
            options=options({"filename": name, "format": "text", "delimiter": "\x01"}),
        )
        query = sql.SQL("select line from {}._lines limit 1").format(sql.Identifier(self.server))
        try:
            lines = self.session.rows(query.as_string())
        except QueryFailed as error:
            if error.sqlstate == NO_FILE:
                raise StartError(error.reason, error.hint) from error
            if error.sqlstate not in NOT_TEXT:
                raise
            raise StartError(
                f"{name} is not text in the encoding of this database: {error.reason}", CONVERT
            ) from error
        self._run("drop foreign table {server}._lines")
        if not lines:
            raise StartError(f"{name} is empty: it has no header", NAMES_COLUMNS)
        header = next(csv.reader([lines[0]["line"] or ""]))
        self._refuse_header(name, header)
        if self.cursor not in header:
            raise StartError(
                f"the header of {name} has no column {self.cursor}: {', '.join(header)}",
                NAMES_COLUMNS,
            )
        self.types[self.cursor] = "timestamp" if self.is_local_time else "timestamptz"
        self._run(
            "create foreign table {table} ({columns}) server {server} {options}",
            columns=join([sql.SQL("{} text").format(sql.Identifier(each)) for each in header]),
            # An error if a column was added, removed or moved: no value lands in another one.
            options=options({"filename": name, "format": "csv", "header": "match"}),
        )
        self.made.append(f"foreign table {self.relation} of {name}, {len(header)} columns")
        self.notes.append("a file has no index: every window reads the whole file")

    def _refuse_header(self, name: str, header: list[str]) -> None:
        """StartError for a header whose names cannot be those of columns."""
        if header and header[0].startswith(BYTE_ORDER_MARK):
            raise StartError(
                f"{name} begins with a byte order mark, which would be part of the first column's"
                " name",
                "write it as UTF-8 without one, for example by sed -i '1s/^\\xef\\xbb\\xbf//'",
            )
        doubled = [column for column in dict.fromkeys(header) if header.count(column) > 1]
        wrong = doubled or [column for column in header if not column or not fits(column)]
        if wrong:
            what = "twice" if doubled else f"that is empty, or has more than {MAX_BYTES} bytes"
            raise StartError(
                f"the header of {name} has a name {what}: {', '.join(map(repr, wrong))}",
                NAMES_COLUMNS,
            )
