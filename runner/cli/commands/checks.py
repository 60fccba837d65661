"""`checks`: what each check found last."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import Command, json_option, select_option, target_option


@click.command("checks", cls=Command)
@select_option("Only those of")
@target_option
@json_option
@click.pass_obj
def command(project: Path, patterns: tuple[str, ...], target: str) -> None:
    """Show each check with its last result and a sample of bad rows. Exits 1 when one has failed.

    \b
    Example: python -m runner checks -s fact_*
    """
    from runner.cli import output
    from runner.database import address as server
    from runner.database import ledger
    from runner.database.queries import named_query
    from runner.database.session import Database
    from runner.project.graph import select
    from runner.project.manifest import load

    manifest = load(project)
    with Database(server.find(project).conninfo).session() as session:
        ledger.require(session)
        rows = session.rows(named_query("database/ledger.checks"), {"target": target})
    results = {row["check"]: row for row in rows}
    found = []
    for key in sorted(select(manifest, patterns or ["*"])):
        for check in manifest.scripts[key].checks:
            name = check.name.removesuffix(".check.sql")
            missing = {"check": name, "status": "never", "bad_rows": None, "sample": None}
            found.append({"script": key, **results.get(name, missing)})
    output.table(found, "there are no checks")
    if any(row["status"] == "failed" for row in found):
        raise click.exceptions.Exit(1)
