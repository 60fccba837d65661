"""`plan`: what a build would do, and why."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("plan")
@click.option(
    "-s", "--select", "patterns", multiple=True, metavar="NAME", help="As if NAME were forced."
)
@click.option("--target", default="live", show_default=True, help="Where it would build.")
@click.pass_obj
def command(project: Path, patterns: tuple[str, ...], target: str) -> None:
    """Say for each script, in order, whether a build would run it and why.

    \b
    Example: python -m runner plan
    """
    from runner import output, server
    from runner.build import look
    from runner.database import Database
    from runner.ledger import Ledger
    from runner.manifest import load
    from runner.target import Target

    manifest = load(project)
    with Database(server.find(project).conninfo).session() as session:
        Ledger(session)
        steps = look(session, manifest, Target(target), patterns)[1]
    output.table(
        [{"script": step.script.key, "build": step.mode, "why": step.reason} for step in steps],
        "the manifest declares no scripts",
    )
