from runner.cli import output
from runner.cli.options import json_option, select_option
from runner.cli.workspace import Workspace, project_command
from runner.project.graph import select
from runner.testing.lint import lint


@project_command("lint")
@select_option("Check only these scripts.")
@json_option
def command(here: Workspace, patterns: tuple[str, ...]) -> None:
    """Check that each script reads exactly the tables it declares.

    Needs no server.

    \b
    Example: python -m runner lint -s reporting
    """
    manifest = here.manifest()
    chosen = select(manifest, patterns or ["*"])
    output.refuse(lint(manifest, chosen), "correct the SQL, or the needs in sql/manifest.toml")
    output.say(f"lint: {len(chosen)} scripts read what they declare")
    output.data([])
