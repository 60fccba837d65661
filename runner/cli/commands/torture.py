import random
from dataclasses import asdict
from typing import Any

import click

from runner.cli import output
from runner.cli.command import Workspace, json_option, number_option, project_command
from runner.cli.progress import ProgressListener, show_progress
from runner.torture.faults import Plan, Progress
from runner.torture.run import Outcome, TortureResult, database_name, scratch, torture

PROTOCOLS = {
    "upsert": "milepost, upsert",
    "append": "milepost, append",
    "hidden": "milepost, hidden rows",
    "after_max": "naive, > max",
    "from_max": "naive, >= max",
}


@project_command("torture", json_option)
@number_option("--seconds", low=1, high=3600, default=20, help="Duration in seconds.")
@number_option("--writers", low=1, high=24, default=8, help="Number of concurrent writers.")
@number_option("--runners", low=1, high=6, default=3, help="Number of concurrent ingests.")
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="Random seed of the writers' actions, but not of their timing (default: random).",
)
def command(here: Workspace, seconds: int, writers: int, runners: int, seed: int | None) -> None:
    """Test on your server that ingestion loses no rows.

    Creates a scratch database in which writers change rows while ingests read them and server
    processes are killed. Exits with 1 if a row is lost or duplicated.

    \b
    Example: python -m runner torture --seconds 60
    """
    plan = Plan(seconds, writers, runners, random.randrange(10_000) if seed is None else seed)
    target = here.database()
    output.say(_announcement(plan, database_name()))
    with scratch(target) as database, show_progress() as shown:
        verdict = torture(database, here.folder, plan, lambda done: _show(shown, plan, done))
    _show_verdict(verdict)
    output.fail_if(not verdict.is_kept)


def _announcement(plan: Plan, name: str) -> str:
    return f"""\
torture: {plan.seconds} seconds, seed {plan.seed}
  creates the database {name}, and a role if yours may; both are dropped at the end
  {plan.writers} writers commit out of order, roll back, use savepoints, change and backdate rows
  {plan.runners} runners ingest the rows into replicas, while their server processes are killed
  the owner of the table recreates columns, freezes rows, and hides rows by row security
  2 naive copies of the table read the rows that are newer than their newest one
"""


def _show(shown: ProgressListener, plan: Plan, progress: Progress) -> None:
    text = f"{progress.rows:,} rows, {progress.succeeded:,} runs, {progress.kills:,} kills"
    is_over = progress.seconds >= plan.seconds
    shown.show("comparing" if is_over else text, progress.seconds, plan.seconds)


def _show_verdict(verdict: TortureResult) -> None:
    output.data({**asdict(verdict), "is_kept": verdict.is_kept, "is_telling": verdict.is_telling})
    rows = [_row(name, own.final, own.is_kept, own.ledger) for name, own in verdict.ours.items()]
    rows += [_row(name, copy, copy.is_exact, {}) for name, copy in verdict.naive.items()]
    output.table(rows)
    output.say("\nrows by how they were written, and how many of them were lost or differ:")
    columns = {"story": "story", "written": "written", **PROTOCOLS}
    stories = [
        {title: row[key] for key, title in columns.items() if key in row} for row in verdict.stories
    ]
    output.table(stories, "nothing was written")
    output.say()
    _say_summary(verdict)
    if not verdict.is_telling:
        output.warn(
            "inconclusive: a naive copy lost no correctly dated row",
            "run it longer, or with more writers",
        )
    for error, count in verdict.errors.items():
        output.warn(f"{count} runs failed although nobody killed them: {error}")
    if not verdict.is_kept:
        _show_failures(verdict)


def _row(name: str, outcome: Outcome, is_good: bool, ledger: dict[str, Any]) -> dict[str, Any]:
    return {
        "protocol": PROTOCOLS[name],
        "verdict": "passed" if is_good else "failed",
        "rows": outcome.rows,
        "missing": outcome.missing,
        "stale": outcome.stale,
        "doubled": outcome.doubled + outcome.surplus,
        "windows": ledger.get("windows"),
        "overlaps": ledger.get("overlaps"),
        "killed": ledger["abandoned"] + ledger["failed"] if ledger else None,
    }


def _say_summary(verdict: TortureResult) -> None:
    windows = sum(each.ledger["windows"] for each in verdict.ours.values())
    output.say(
        f"milepost {'kept' if verdict.is_kept else 'BROKE'} its promise: {verdict.written:,} rows,"
        f" {windows:,} windows, {verdict.kills:,} server processes killed,"
        f" {verdict.audits:,} audits meanwhile"
    )
    lost = " and ".join(f"{verdict.lost_in_time(name):,}" for name in verdict.naive)
    output.say(
        f"the naive copies lost {lost} correctly dated rows: a row is dated when its transaction\n"
        "begins, but becomes visible only when it commits"
    )
    if verdict.hidden_runs is None:
        output.say("not tried: rows that row security hides; this role may not create roles")
    else:
        output.say(
            f"row security hid rows from {verdict.hidden_runs:,} runs, of which"
            f" {verdict.untrue or 'none'} promised them; then it showed them again"
        )


def _show_failures(verdict: TortureResult) -> None:
    for name, each in verdict.ours.items():
        if not each.unswept.is_exact:
            output.warn(f"{PROTOCOLS[name]}, before its sweep: {each.unswept}")
        if not each.deleted.is_exact:
            output.warn(f"{PROTOCOLS[name]}, after deletes and a reconcile: {each.deleted}")
    output.say("\nrows that were lost or stale, and the runs whose windows contain them:")
    output.table(verdict.sample, "none at the end")
    output.say("\nrows that a run had promised and that were missing at an audit:")
    output.table(verdict.broken[:10], "none")
