import click

from runner.cli import output
from runner.cli.command import Workspace, project_command, target_option, yes_option
from runner.cli.groups import Group
from runner.database import address
from runner.database.session import Database
from runner.project.target import Target
from runner.setup import schema


@click.group("schema", cls=Group)
def command() -> None:
    """Create and migrate the schemas and tables."""


@project_command("apply", target_option, yes_option, group=command)
@click.option("--roles", is_flag=True, help="Also create roles to own, run, load and read.")
def apply_command(here: Workspace, yes: bool, target: Target, roles: bool) -> None:
    """Create or migrate the schemas and tables, after asking.

    Does not ask on the embedded server. A schema of an older version of Milepost is migrated first,
    in the same commit; the next build fills derived tables again. --roles also creates four roles
    for your logins, and grants each the privileges that it needs: see docs/security.md.

    \b
    Example: python -m runner schema apply --yes
             python -m runner schema apply --roles
    """
    manifest = here.manifest()
    server = address.find(here.folder)
    database = Database(server.conninfo)
    changes = schema.rehearse(database, manifest, target, roles)
    for line in schema.waiting(database, manifest, target):
        output.say(line)
    if not changes:
        output.say("schema: up to date")
        return
    if server.is_embedded and not roles:
        output.say(f"schema: {len(changes)} migrations, schemas, tables, views and indexes")
    else:
        for change in changes:
            output.say(change)
    hint = f"python -m runner schema apply {'--roles ' if roles else ''}--yes"
    output.confirm(
        f"make {output.number(len(changes), 'change')}?", hint, yes or server.is_embedded
    )
    schema.apply(database, manifest, target, roles)
    output.say("schema: applied")
