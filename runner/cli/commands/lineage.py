import click

from runner.cli import output
from runner.cli.command import Workspace, json_option, project_command, script_names
from runner.errors import UsageError, did_you_mean
from runner.project.lineage import lineage, stored, tree


@project_command("lineage", json_option)
@click.argument("name", metavar="TABLE", shell_complete=script_names)
def command(here: Workspace, name: str) -> None:
    """Show what a table depends on, and what depends on it.

    Reads only the manifest, and needs no server. `...` stands for dependencies that are listed
    further up.

    \b
    Example: python -m runner lineage kpi_daily
    """
    flow = lineage(here.manifest())
    shorts = {table.partition(".")[2]: table for table in flow.needs}
    table = shorts.get(name, stored(name))
    if table not in flow.needs:
        raise UsageError(f"there is no table {name}", did_you_mean(name, shorts))
    output.say(table)
    for title, neighbours in (("needs", flow.needs), ("needed by", flow.needed_by)):
        output.say("\n".join([f"{title}:", *(tree(table, neighbours) or ["  nothing"])]))
    output.data({"table": table, "needs": flow.needs[table], "needed_by": flow.needed_by[table]})
