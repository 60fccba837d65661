"""Tables partitioned by month: creates partitions, and limits lookups to those with changes.

Optional: not imported unless the manifest says monthly_facts = true. Queries: months.sql.
"""

import re
from collections.abc import Collection
from itertools import product

from psycopg import sql

from runner.database.names import MAX_BYTES, join, shortened
from runner.database.queries import named_query
from runner.database.session import Session
from runner.database.tables import kind
from runner.errors import StartError
from runner.project.manifest import Manifest, Script
from runner.project.scripts import days_within
from runner.project.target import Target
from runner.project.template import plain, render

PARTITIONED = re.compile(r"^\{\{ monthly_facts \}\} partition by range \((\w+)\)$", re.MULTILINE)
FILE = "build/months.sql"


def day_columns(manifest: Manifest, script: Script) -> dict[str, str]:
    """Return the tables of a script that are partitioned by month, each with its partition key."""
    texts = map(manifest.read, () if script.is_view else script.definitions)
    found = map(PARTITIONED.search, texts)
    return {name: day[1] for name, day in zip(script.tables, found, strict=False) if day}


def waiting(session: Session, manifest: Manifest, target: Target) -> list[str]:
    """Return the tables that the next build recreates, with monthly partitions or without."""
    tables = (
        target.table(script.layer, name)
        for script in manifest.scripts.values()
        for name in day_columns(manifest, script)
    )
    wanted = "p" if manifest.has_months else "r"
    return [table for table in tables if kind(session, table) not in (None, wanted)]


def make(table: str, day: str, rows: str) -> str:
    """Return the SQL that creates the partitions that a table lacks for the days of some rows: the
    name of a table, or a query in parentheses.
    """
    schema, _, name = table.partition(".")
    name = shortened(name, MAX_BYTES - 8)
    values = {"table": table, "schema": schema, "name": name}
    shown = {"day": plain(day), "rows": plain(rows)}
    return render(named_query("build/months.make"), {**values, **shown}, FILE)


def make_ahead(manifest: Manifest, target: Target, script: Script) -> str:
    """Return the SQL that creates the partitions that an incremental build will write to."""
    changes = [target.table(script.layer, each) for each in days_within(manifest.read(script.path))]
    if not changes:
        raise StartError(
            f"{script.path} fills a table with monthly partitions, but does not say for which days",
            "add {{ incremental }} and {{ within.changed_events }}, as docs/retention.md shows",
        )
    tables = day_columns(manifest, script).items()
    return "".join(
        make(target.table(script.layer, name), day, rows)
        for name, day in tables
        for rows in sorted(changes)
    )


def move(session: Session, table: str, day: str, fresh: str) -> str:
    """Return the SQL that moves all rows to a new partitioned table, and drops where they were."""
    names = session.named("build/months.columns", table=table)[0]["names"]
    return (
        f"{make(table, day, fresh)}insert into {table} ({names})\nselect {names}\nfrom {fresh};\n"
        f"drop table {fresh};\n"
    )


def within(
    session: Session, manifest: Manifest, target: Target, layer: str, names: Collection[str]
) -> dict[str, sql.Composable]:
    """Return, for each table of changes, the condition that the day of a row `fact` lies in a month
    with changes. PostgreSQL then prunes all other partitions.
    """
    scripts = manifest.scripts.values()
    days = {day for each in scripts for day in day_columns(manifest, each).values()}
    text, conditions = sql.SQL("fact.{} between {} and {}"), dict[str, sql.Composable]()
    for name, day in product(names, days):
        values = {"rows": plain(target.table(layer, name)), "day": plain(day)}
        rows = session.rows(render(named_query("build/months.ranges"), values, FILE))
        found = [text.format(sql.Identifier(day), row["first"], row["last"]) for row in rows]
        any_of = sql.SQL("({})").format(join(found, " or "))
        conditions[name] = any_of if found else sql.SQL("false")
    return conditions
