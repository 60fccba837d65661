import re
from dataclasses import asdict

import click

from runner.cli import output
from runner.cli.command import Workspace, json_option, project_command, yes_option
from runner.project.target import Target
from runner.setup.prune import Pruner, PruneResult

DAYS = {"d": 1, "w": 7, "y": 365}
MIN_DAYS = 7  # `status` looks back over a week
MAX_DAYS = 36_500


def _read_age(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,5})([dwy])", text)
    if not found:
        raise click.BadParameter("days, weeks or years, such as 90d, 12w or 1y")
    days = int(found[1]) * DAYS[found[2]]
    if not MIN_DAYS <= days <= MAX_DAYS:
        raise click.BadParameter(f"{MIN_DAYS}d at least, and 100y at most")
    return days


@project_command("prune", yes_option, json_option)
@click.option(
    "--older-than",
    "days",
    metavar="AGE",
    callback=_read_age,
    help="Also delete older runs with their logs, checks and observations, and earlier versions of"
    " rows that no target needs. AGE is in days, weeks or years, such as 90d, 12w or 1y.",
)
@click.option(
    "--drop-target", "target", metavar="NAME", help="Drop only the tables of this target."
)
@click.option("--dry-run", is_flag=True, help="Show what would be deleted, and change nothing.")
def command(
    here: Workspace, days: int | None, target: str | None, dry_run: bool, yes: bool
) -> None:
    """Delete what is no longer needed, after asking.

    Without --drop-target, drops tables whose scripts are no longer in the manifest. Keeps whatever
    an ingest, a build, a repair or `status` may still need, regardless of its age. Runs whose
    earlier versions of rows are deleted can no longer be undone. Ingests and builds are blocked
    meanwhile.

    \b
    Example: python -m runner prune --older-than 90d --dry-run
    """
    pruner = Pruner(here.database(), here.manifest(), days, Target(target) if target else None)
    found = pruner.rehearse()
    is_empty = not found.deleted and not found.dropped
    if not output.style.json:
        _show(found)
    if dry_run or is_empty:
        output.say("prune: nothing to delete" if is_empty else "prune: nothing was changed")
        output.data({**asdict(found), "deleted": found.deleted})
        return
    output.confirm("delete this?", "--yes deletes it without asking", yes)
    done = pruner.prune()
    before = _size(sum(each.bytes_before for each in done.tables))
    after = _size(sum(each.bytes_after for each in done.tables))
    said = [f"dropped {', '.join(done.dropped)}"] if done.dropped else []
    if done.tables:
        said.append(f"deleted {output.number(done.deleted, 'row')}; {before} -> {after}")
    output.say(f"prune: {'; '.join(said)}")
    output.data({**asdict(done), "deleted": done.deleted})


def _show(found: PruneResult) -> None:
    rows = [
        {
            "table": f"orchestrator.{each.table}",
            "rows": each.rows,
            "delete": each.deleted,
            "size": _size(each.bytes_before),
        }
        for each in found.tables
    ]
    if rows:
        output.table(rows)
    for name, run_id in found.undoable_after.items():
        output.say(f"{name}: runs up to {run_id} can no longer be undone")
    for table in found.dropped:
        why = "with all its tables" if " " in table else "its script is no longer in the manifest"
        output.say(f"drop {table}: {why}")
    for reason in found.kept:
        output.warn(f"not dropped, because something depends on it: {reason}")
    if len(found.waiting) > 1:
        for name, day in found.waiting:
            output.say(f"target {name}, last built on {day}, still needs earlier versions of rows")


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"
