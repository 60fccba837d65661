from runner.cli import output
from runner.cli.command import Workspace, json_option, project_command, select_option, target_option
from runner.project.graph import select
from runner.project.target import Target


@project_command("checks", target_option, json_option)
@select_option("Show only the checks of these scripts.")
def command(here: Workspace, patterns: tuple[str, ...], target: Target) -> None:
    """Show the latest result of each check.

    A check that found bad rows shows a sample of them. Exits with 1 if a check has failed.

    \b
    Example: python -m runner checks -s fact_*
    """
    manifest = here.manifest()
    with here.ledger() as session:
        rows = session.named("database/ledger.checks", target=target.name)
    results = {row["check"]: row for row in rows}
    found = []
    for key in sorted(select(manifest, patterns or ["*"])):
        for check in manifest.scripts[key].checks:
            name = check.name.removesuffix(".check.sql")
            missing = {"check": name, "status": "never", "bad_rows": None, "sample": None}
            found.append({"script": key, **results.get(name, missing)})
    # The name of a check begins with that of its script.
    output.listing(found, "there are no checks", ("check", "status", "bad_rows", "sample"))
    output.fail_if(any(row["status"] == "failed" for row in found))
