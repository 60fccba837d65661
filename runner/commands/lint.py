"""`lint`: the SQL against the manifest."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("lint")
@click.pass_obj
def command(project: Path) -> None:
    """Check that each script reads exactly the tables that the manifest says it needs. Wants no
    server.

    \b
    Example: python -m runner lint
    """
    from runner import output
    from runner.errors import RunnerError
    from runner.lint import lint
    from runner.manifest import load

    manifest = load(project)
    problems = lint(manifest)
    for problem in problems:
        output.say(problem)
    if problems:
        raise RunnerError(
            f"{len(problems)} problems", "correct the SQL or its needs in sql/manifest.toml"
        )
    output.say(f"lint: {len(manifest.scripts)} scripts read what they declare")
