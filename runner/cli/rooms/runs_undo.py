import click

from runner.cli import output, show_ingest
from runner.cli.command import Workspace, json_option, project_command, yes_option
from runner.errors import UsageError
from runner.repairs.pipeline import open_pipeline


@project_command("undo", yes_option, json_option)
@click.argument("run_id", type=int, metavar="RUN")
def command(here: Workspace, run_id: int, yes: bool) -> None:
    """Undo what a run did to a replica.

    Added rows are removed; changed and deleted rows are restored. The window of the run becomes a
    gap, which `backfill` fills. The next build picks up the change.

    \b
    Example: python -m runner runs undo 12
    """
    with here.ledger() as session:
        found = session.named("cli/inspect/runs.run", run_id=run_id)
    if not found or not found[0]["pipeline"]:
        raise UsageError(
            f"there is no run {run_id} of a pipeline, or it was pruned", "python -m runner runs"
        )
    run = found[0]
    rows = output.row_counts(run["rows_inserted"], run["rows_updated"], run["rows_deleted"])
    output.say(f"run {run_id}: {run['kind']} of {run['pipeline']}, {run['status']}, rows {rows}")
    output.confirm("undo it?", "--yes undoes it without asking", yes)
    with show_ingest.shown("undo") as progress:
        open_pipeline(here.database(), here.folder, run["pipeline"], progress).undo(run_id)
