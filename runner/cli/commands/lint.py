"""`lint`: the SQL against the manifest."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import Command, json_option, select_option


@click.command("lint", cls=Command)
@select_option("Only")
@json_option
@click.pass_obj
def command(project: Path, patterns: tuple[str, ...]) -> None:
    """Check that each script reads exactly the tables that it declares. Wants no server.

    \b
    Example: python -m runner lint -s reporting
    """
    from runner.cli import output
    from runner.errors import RunnerError
    from runner.project.graph import select
    from runner.project.manifest import load
    from runner.testing.lint import lint

    manifest = load(project)
    chosen = select(manifest, patterns or ["*"])
    problems = lint(manifest, chosen)
    output.table([{"problem": problem} for problem in problems], "") if problems else None
    if problems:
        raise RunnerError(
            f"{len(problems)} problems", "correct the SQL, or the needs in sql/manifest.toml"
        )
    output.say(f"lint: {len(chosen)} scripts read what they declare")
    output.data([])
