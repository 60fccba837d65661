import click

from runner.cli import output
from runner.cli.command import Workspace, json_option, project_command, yes_option
from runner.cli.groups import Group
from runner.cli.show import coverage as show_coverage
from runner.cli.show import runs as show_runs
from runner.errors import UsageError, room
from runner.ingest.pipelines import pipelines
from runner.repairs import remove as removal

# These need runner/setup and runner/ingest/foreign, which may be missing.
LAZY = {"Commands": ("add", "source-sql")}
KEEP_OR_DROP = click.Choice(["keep", "drop"])
RUN_COLUMNS = ("run", "kind", "status", "started_at", "rows", "up_to")


@click.group("pipelines", cls=Group, lazy=LAZY, prefix="pipelines_")
def command() -> None:
    """List, show, add, enable, disable and remove pipelines.

    Each pipeline is a row of orchestrator.pipeline_definitions.
    """


@project_command("list", json_option, group=command)
def list_command(here: Workspace) -> None:
    """List the pipelines with their watermarks.

    \b
    Example: python -m runner pipelines list
    """
    with here.ledger() as session:
        rows = session.named("ingest/pipelines.pipelines")
    output.listing(rows, "there is no pipeline yet: python -m runner pipelines add --help")


@project_command("show", json_option, group=command)
@click.argument("name")
def show(here: Workspace, name: str) -> None:
    """Show one pipeline.

    Shows its definition, its watermark, its coverage and gaps, what would improve its guarantee,
    and its latest runs.

    \b
    Example: python -m runner pipelines show event_stream
    """
    with here.ledger() as session:
        pipelines(session, name)
        [found] = session.named("ingest/pipelines.pipeline", name=name)
        segments = show_coverage.coverage(session, found["id"])
        preflight = room("runner.ingest.preflight")
        doubts = preflight.of_pipeline(session, found["id"], here.folder)
        runs = session.named("ingest/pipelines.pipeline_runs", name=name)
    covered = show_coverage.as_data(name, segments)
    output.data({**found, **covered, "doubts": doubts, "runs": runs})
    output.record(found)
    show_coverage.show(name, segments)
    output.say()
    for doubt in doubts:
        output.warn(doubt)
    show_runs.runs(runs, "it has not run yet", RUN_COLUMNS)


@project_command("enable", group=command)
@click.argument("name")
def enable(here: Workspace, name: str) -> None:
    """Enable a pipeline, so that `ingest` and `run-all` load it.

    \b
    Example: python -m runner pipelines enable utm_campaigns
    """
    _switch(here, name, True)


@project_command("disable", group=command)
@click.argument("name")
def disable(here: Workspace, name: str) -> None:
    """Disable a pipeline, so that `ingest` and `run-all` skip it; its rows stay.

    \b
    Example: python -m runner pipelines disable utm_campaigns
    """
    _switch(here, name, False)


def _switch(here: Workspace, name: str, is_enabled: bool) -> None:
    with here.ledger() as session:
        pipelines(session, name)
        session.named("ingest/pipelines.switch_pipeline", name=name, is_enabled=is_enabled)
    output.say(f"{name} is {'enabled' if is_enabled else 'disabled'}")


@project_command("remove", yes_option, group=command)
@click.argument("name")
@click.option("--replica", type=KEEP_OR_DROP, help="Keep or drop its replica (default: ask).")
def remove(here: Workspace, name: str, replica: str | None, yes: bool) -> None:
    """Remove a pipeline that no script needs.

    Deletes the records of its runs, with the earlier versions of rows. The source stays as it is.

    \b
    Example: python -m runner pipelines remove partners --replica keep
    """
    found = removal.inspect(here.database(), here.manifest(), name)
    versions = output.number(found.kept_rows, "earlier version")
    output.say(f"{name}: {output.number(found.runs, 'run')}, {versions} of rows")
    if found.archived:
        months = output.number(len(found.archived), "archived month")
        output.say(f"{months}: the files stay, and orchestrator.logs keeps their SHA-256")
    if found.has_replica and replica is None:
        if yes:
            raise UsageError(f"replica {found.replica} exists", "--replica keep or --replica drop")
        replica = click.prompt(found.replica, type=KEEP_OR_DROP)
    output.confirm(f"remove {name}?", "--yes removes it without asking", yes)
    removal.remove(here.database(), found, drop_replica=replica == "drop")
    output.say(f"{name} is removed")
