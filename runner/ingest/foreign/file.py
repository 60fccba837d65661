"""CSV files on the machine of the database server, through file_fdw."""

from __future__ import annotations

import csv

from psycopg import sql

from runner.database.names import join, relation
from runner.errors import StartError
from runner.ingest.foreign.attachment import CONTRIB, Attachment, options


class FileAttachment(Attachment):
    """A CSV file with a header, on the machine of the database server.

    Every column is text but the cursor: column_types gives the others their types, and a row whose
    value does not fit is set aside.
    """

    install = CONTRIB

    def _make_tables(self) -> None:
        name = self.address.options["filename"]
        server, schema = sql.Identifier(self.server), sql.Identifier(self.server)
        self._run(
            "create foreign table {}._lines (line text) server {} {}",
            schema,
            server,
            options({"filename": name, "format": "text", "delimiter": "\x01"}),
        )
        lines = self.session.rows(
            sql.SQL("select line from {}._lines limit 1").format(schema).as_string(None)
        )
        self._run("drop foreign table {}._lines", schema)
        header = next(csv.reader([lines[0]["line"] or ""])) if lines else []
        if self.cursor not in header:
            raise StartError(
                f"the header of {name} has no column {self.cursor}: {', '.join(header)}",
                "the first line names the columns, separated by commas",
            )
        kind = "timestamp" if self.is_local_time else "timestamptz"
        self._run(
            "create foreign table {} ({}) server {} {}",
            relation(self.relation),
            join(
                [
                    sql.SQL("{} {}").format(
                        sql.Identifier(column),
                        sql.SQL(kind if column == self.cursor else "text"),
                    )
                    for column in header
                ]
            ),
            server,
            # A column added, removed or moved is an error, and not another column's value.
            options({"filename": name, "format": "csv", "header": "match"}),
        )
        self.made.append(f"foreign table {self.relation} of {name}, {len(header)} columns")
        self.notes.append("a file has no index: every window reads the whole file")
