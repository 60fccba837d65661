import random
from dataclasses import asdict
from typing import Any

import click

from runner.cli import output
from runner.cli.command import Workspace, json_option, number_option, project_command
from runner.cli.progress import Live, live
from runner.torture.faults import Plan, Progress
from runner.torture.run import Outcome, TortureResult, database_name, scratch, torture

NAMES = {
    "upsert": "milepost, upsert",
    "append": "milepost, append",
    "hidden": "milepost, hidden rows",
    "after_max": "naive, > max",
    "from_max": "naive, >= max",
}


@project_command("torture", json_option)
@number_option("--seconds", low=1, high=3600, default=20, help="Duration.")
@number_option(
    "--writers", low=1, high=24, default=8, help="Number of applications that write at once."
)
@number_option("--runners", low=1, high=6, default=3, help="Number of ingests at once.")
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="Random seed for what the writers do, but not when (default: random).",
)
def command(here: Workspace, seconds: int, writers: int, runners: int, seed: int | None) -> None:
    """Test on your server that ingestion loses no rows.

    In a scratch database, applications write while ingests read and server processes are killed.
    Exits with 1 if a row was lost or duplicated.

    \b
    Example: python -m runner torture --seconds 60
    """
    plan = Plan(seconds, writers, runners, random.randrange(10_000) if seed is None else seed)
    target = here.database()
    output.say(_intention(plan, database_name()))
    with scratch(target) as own, live() as shown:
        verdict = torture(own, here.folder, plan, lambda progress: _show(shown, plan, progress))
    _show_verdict(verdict)
    output.fail_if(not verdict.is_kept)


def _intention(plan: Plan, name: str) -> str:
    return f"""\
torture: {plan.seconds} seconds, seed {plan.seed}
  the database {name} is created for it, and dropped at the end; so is a role, if yours may
  {plan.writers} writers commit out of order, roll back, use savepoints, change and backdate rows
  {plan.runners} runners ingest the rows into replicas; a killer ends their server processes
  the owner of the table recreates columns, freezes rows, and hides rows by row security
  2 naive copies read the same rows, after the highest time that they have seen
"""


def _show(shown: Live, plan: Plan, progress: Progress) -> None:
    text = f"{progress.rows:,} rows, {progress.succeeded:,} runs, {progress.kills:,} kills"
    is_over = progress.seconds >= plan.seconds
    shown.show("comparing" if is_over else text, progress.seconds, plan.seconds)


def _show_verdict(verdict: TortureResult) -> None:
    """Tables and sentences for people, everything for a program."""
    output.data({**asdict(verdict), "is_kept": verdict.is_kept, "is_telling": verdict.is_telling})
    rows = [
        _row(name, ours.final, ours.is_kept, ours.ledger) for name, ours in verdict.ours.items()
    ]
    rows += [_row(name, copy, copy.is_exact, {}) for name, copy in verdict.naive.items()]
    output.table(rows)
    output.say("\nrows by how they were written, and how many of them were lost or differ:")
    stories = [
        {"story": story["story"], "written": story["written"]}
        | {title: story[name] for name, title in NAMES.items() if name in story}
        for story in verdict.stories
    ]
    output.table(stories, "nothing was written")
    output.say()
    for sentence in _sentences(verdict):
        output.say(sentence)
    if not verdict.is_telling:
        output.warn(
            "inconclusive: a naive copy lost no correctly dated row",
            "run it longer, or with more writers",
        )
    _show_failures(verdict)


def _row(name: str, outcome: Outcome, is_good: bool, ledger: dict[str, Any]) -> dict[str, Any]:
    return {
        "protocol": NAMES[name],
        "verdict": "passed" if is_good else "failed",
        "rows": outcome.rows,
        "missing": outcome.missing,
        "stale": outcome.stale,
        "doubled": outcome.doubled + outcome.surplus,
        "windows": ledger.get("windows"),
        "overlaps": ledger.get("overlaps"),
        "killed": ledger["abandoned"] + ledger["failed"] if ledger else None,
    }


def _sentences(verdict: TortureResult) -> list[str]:
    what = "kept its promise" if verdict.is_kept else "BROKE its promise"
    lost = " and ".join(f"{verdict.lost_in_time(name):,}" for name in verdict.naive)
    hidden = (
        f"row security hid rows from {verdict.hidden_runs:,} runs,"
        f" {verdict.untrue or 'none'} of which promised them; then it showed them again"
        if verdict.hidden_runs is not None
        else "not tried: rows that row security hides, because this role may not create roles"
    )
    windows = sum(ours.ledger["windows"] for ours in verdict.ours.values())
    return [
        f"milepost {what}: {verdict.written:,} rows, {windows:,} windows,"
        f" {verdict.kills:,} server processes killed, {verdict.audits:,} audits meanwhile",
        f"the naive copies lost {lost} rows of writers that did nothing wrong: a row is dated when"
        " its\ntransaction begins, but visible only when that commits",
        hidden,
    ]


def _show_failures(verdict: TortureResult) -> None:
    for error, count in verdict.errors.items():
        output.warn(f"{count} runs failed although nobody killed them: {error}")
    if verdict.is_kept:
        return
    for name, ours in verdict.ours.items():
        if not ours.unswept.is_exact:
            output.warn(f"{NAMES[name]}, before its sweep: {ours.unswept}")
        if not ours.deleted.is_exact:
            output.warn(f"{NAMES[name]}, after deletes and a reconcile: {ours.deleted}")
    output.say("\nrows that were lost or stale, and the runs whose windows contain them:")
    output.table(verdict.sample, "none at the end")
    output.say("\nrows that a run had promised and that were missing at an audit:")
    output.table(verdict.broken[:10], "none")
