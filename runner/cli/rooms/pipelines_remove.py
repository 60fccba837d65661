import click

from runner.cli import output
from runner.cli.command import Workspace, project_command, yes_option
from runner.errors import UsageError
from runner.repairs.remove import inspect, remove


@project_command("remove", yes_option)
@click.argument("name")
@click.option(
    "--replica",
    type=click.Choice(["keep", "drop"]),
    help="What to do with its replica. If there is one, you are asked.",
)
def command(here: Workspace, name: str, replica: str | None, yes: bool) -> None:
    """Remove a pipeline that no script needs.

    The records of its runs are deleted, with the rows that they replaced. The source stays as it
    is.

    \b
    Example: python -m runner pipelines remove partners --replica keep
    """
    found = inspect(here.database(), here.manifest(), name)
    output.say(
        f"{name}: {output.number(found.runs, 'run')},"
        f" {output.number(found.kept_rows, 'replaced row')} that could be restored"
    )
    if found.archived:
        output.say(
            f"{output.number(len(found.archived), 'archived month')}: the files stay, and what"
            " is known of them, with their SHA-256, goes to orchestrator.logs"
        )
    if found.has_replica and replica is None:
        if yes:
            raise UsageError(f"{found.replica} is there", "--replica keep, or --replica drop")
        replica = click.prompt(f"{found.replica}", type=click.Choice(["keep", "drop"]))
    output.confirm(f"remove {name}?", "--yes removes it without asking", yes)
    remove(here.database(), found, drop_replica=replica == "drop")
    output.say(f"{name} is removed")
