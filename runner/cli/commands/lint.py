from runner.cli import output
from runner.cli.command import Workspace, json_option, project_command, select_option
from runner.project.graph import select
from runner.testing.lint import lint


@project_command("lint", json_option)
@select_option("Check only these scripts.")
def command(here: Workspace, patterns: tuple[str, ...]) -> None:
    """Check that each script reads exactly the tables it declares.

    Needs no server.

    \b
    Example: python -m runner lint -s reporting
    """
    manifest = here.manifest()
    chosen = select(manifest, patterns or ["*"])
    output.fail_with(lint(manifest, chosen), "correct the SQL, or the needs in sql/manifest.toml")
    output.say(f"lint: {len(chosen)} scripts read what they declare")
    output.data([])
