from runner.cli import output
from runner.cli.command import Workspace, json_option, project_command, select_option


@project_command("ls", json_option)
@select_option("List only these scripts.")
def command(here: Workspace, patterns: tuple[str, ...]) -> None:
    """List the scripts of the project, in the order of the manifest.

    Needs no server, unless -s asks for state:changed or result:failed.

    \b
    Example: python -m runner ls -s tag:finance
    """
    listed = list if output.style.json else ", ".join
    rows = [
        {
            "script": script.key,
            "kind": "view" if script.is_view else "table",
            "tags": listed(script.tags),
            "checks": len(script.checks),
            "needs": listed(script.needs),
        }
        for script in here.manifest().scripts.values()
        if not patterns or script.key in patterns
    ]
    output.listing(rows, "the manifest declares no scripts")
