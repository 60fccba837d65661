"""Writes what the catalogue says of the tables: a page, a drawing, or dbdiagram's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.database import ledger
from runner.database.session import Database
from runner.errors import UsageError
from runner.pages.docs.catalogue import Catalogue, read
from runner.pages.docs.diagram import dbml, svg
from runner.pages.docs.page import page
from runner.project.manifest import Manifest

FORMS = (".html", ".svg", ".dbml")


def documents(database: Database, manifest: Manifest, files: Sequence[Path]) -> Mapping[Path, str]:
    """The text of each file; its ending says what it is. All are of one snapshot."""
    for file in files:
        if file.suffix not in FORMS:
            raise UsageError(f"{file} ends in none of {', '.join(FORMS)}", "docs -o docs.html")
    with database.session("milepost docs") as session, session.transaction():
        ledger.require(session)
        session.run("set transaction read only")
        found = read(session, manifest)
    return {file: _text(manifest, found, file.suffix) for file in files}


def _text(manifest: Manifest, found: Catalogue, form: str) -> str:
    if form == ".html":
        return page(manifest, found)
    draw = svg if form == ".svg" else dbml
    return draw(found.tables, found.references)
