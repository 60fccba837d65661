"""Writes what the catalogue says of the tables: as a page, or in DBML."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.database import ledger
from runner.database.session import Database
from runner.errors import UsageError
from runner.pages.docs.catalogue import Catalogue, read
from runner.pages.docs.page import page
from runner.pages.html import fill
from runner.project.manifest import Manifest

FORMS = (".html", ".dbml")


def documents(database: Database, manifest: Manifest, files: Sequence[Path]) -> Mapping[Path, str]:
    """Return the text of each file, by its ending. All are of one snapshot."""
    for file in files:
        if file.suffix not in FORMS:
            raise UsageError(f"{file} ends in none of {', '.join(FORMS)}", "docs -o docs.html")
    with database.session("milepost docs") as session, session.transaction():
        ledger.require(session)
        session.run("set transaction read only")
        found = read(session, manifest)
    return {
        file: page(manifest, found) if file.suffix == ".html" else _dbml(found) for file in files
    }


def _dbml(found: Catalogue) -> str:
    """Return the tables in DBML, the language of dbdiagram.io, with what refers to what."""
    keys = {table.name: table.key for table in found.tables}
    return fill("schema.dbml", tables=found.tables, references=found.references, keys=keys)
