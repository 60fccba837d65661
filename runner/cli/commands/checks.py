"""`checks`: what each check found last."""

from pathlib import Path

import click

from runner.cli import output
from runner.cli.connect import ledger_session
from runner.cli.groups import Command
from runner.cli.options import json_option, select_option, target_option
from runner.project.graph import select
from runner.project.manifest import load
from runner.project.target import Target


@click.command("checks", cls=Command)
@select_option("Show only the checks of these scripts.")
@target_option
@json_option
@click.pass_obj
def command(project: Path, patterns: tuple[str, ...], target: Target) -> None:
    """Show the latest result of each check.

    A check that found bad rows shows a sample of them. Exits with 1 if a check has failed.

    \b
    Example: python -m runner checks -s fact_*
    """
    manifest = load(project)
    with ledger_session(project) as session:
        rows = session.named("database/ledger.checks", target=target.name)
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
