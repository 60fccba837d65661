"""`test`: the cases in tests/sql, tried on the SQL of the project."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import Command, json_option, select_option


@click.command("test", cls=Command)
@select_option("Only the cases of")
@click.argument("names", nargs=-1, metavar="[CASE]...")
@json_option
@click.pass_obj
def command(project: Path, patterns: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Try the cases in tests/sql: rows given, rows expected, through the real build. Each is built
    in full, twice, and bit by bit. Nothing is left behind, no table of yours is touched.

    \b
    Example: python -m runner test -s growth_accounting
    """
    from runner.cli import output
    from runner.database import address as server
    from runner.database.session import Database
    from runner.errors import RunnerError
    from runner.project.manifest import load
    from runner.testing.cases import choose, collect
    from runner.testing.run import run_cases

    manifest = load(project)
    cases = choose(manifest, collect(manifest), patterns, names)
    tried = run_cases(Database(server.find(project).conninfo), manifest, cases, output.tried)
    output.data([output.tried_data(each) for each in tried])
    failed = sum(not each.has_passed for each in tried)
    if failed:
        raise RunnerError(f"{failed} of {len(tried)} cases failed", "- is missing, + is too many")
    seconds = sum(each.seconds for each in tried)
    output.say(f"test: {len(tried)} cases passed, {seconds:.1f}s")
