"""`torture`: prove on a server that no row is lost and none comes twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.options import Command, json_option

if TYPE_CHECKING:
    from runner.cli.output import Live
    from runner.torture.faults import Plan, Progress
    from runner.torture.run import Outcome, Verdict

NAMES = {
    "upsert": "milepost, upsert",
    "append": "milepost, append",
    "after_max": "naive, > max",
    "from_max": "naive, >= max",
}


@click.command("torture", cls=Command)
@click.option(
    "--seconds", type=click.IntRange(1, 3600), default=20, show_default=True, help="How long."
)
@click.option(
    "--writers",
    type=click.IntRange(1, 24),
    default=8,
    show_default=True,
    help="Applications that write at once.",
)
@click.option(
    "--runners",
    type=click.IntRange(1, 6),
    default=3,
    show_default=True,
    help="Ingests at once.",
)
@click.option(
    "--seed", type=int, help="What writers do; when they do it is the machine's (default: drawn)."
)
@json_option
@click.pass_obj
def command(project: Path, seconds: int, writers: int, runners: int, seed: int | None) -> None:
    """Let writers, runners and a killer loose on a scratch database; exits 1 if a row was lost.

    \b
    Example: python -m runner torture --seconds 60
    """
    import random

    from runner.cli import output
    from runner.database import address as server
    from runner.database.session import Database
    from runner.torture.faults import Plan
    from runner.torture.run import database_name, scratch, torture

    plan = Plan(seconds, writers, runners, random.randrange(10_000) if seed is None else seed)
    target = Database(server.find(project).conninfo)
    output.say(_intention(plan, database_name()))
    with scratch(target) as database, output.live() as live:
        verdict = torture(database, project, plan, lambda progress: _show(live, plan, progress))
    _tell(verdict)
    if not verdict.is_kept:
        raise click.exceptions.Exit(1)


def _intention(plan: Plan, name: str) -> str:
    return f"""\
torture: {plan.seconds} seconds, seed {plan.seed}
  database {name} is made for it, and dropped at the end
  {plan.writers} writers commit out of order, roll back, use savepoints, change rows, date them back
  {plan.runners} runners ingest the rows into two replicas; a killer ends their server processes
  2 naive copies read the same rows, by the highest time they have
"""


def _show(live: Live, plan: Plan, progress: Progress) -> None:
    text = f"{progress.rows:,} rows, {progress.succeeded:,} runs, {progress.kills:,} kills"
    is_over = progress.seconds >= plan.seconds
    live.show("comparing" if is_over else text, progress.seconds, plan.seconds)


def _tell(verdict: Verdict) -> None:
    """Tables and sentences for people, everything for a program."""
    from dataclasses import asdict

    from runner.cli import output

    if output.style.json:
        output.data(
            {**asdict(verdict), "is_kept": verdict.is_kept, "is_telling": verdict.is_telling}
        )
        return
    output.table(
        [
            *(
                _row(name, ours.final, ours.is_kept, ours.ledger)
                for name, ours in verdict.ours.items()
            ),
            *(_row(name, outcome, outcome.is_exact, {}) for name, outcome in verdict.naive.items()),
        ],
        "",
    )
    output.say("\nwritten how, and lost or not as in the source:")
    output.table(
        [
            {
                "story": story["story"],
                "written": story["written"],
                **{title: story[name] for name, title in NAMES.items()},
            }
            for story in verdict.stories
        ],
        "nothing was written",
    )
    output.say()
    for sentence in _sentences(verdict):
        output.say(sentence)
    if not verdict.is_telling:
        output.warn(
            "too calm to tell: a naive copy lost no row that was dated honestly",
            "let it run longer, or with more writers",
        )
    _tell_what_broke(verdict)


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


def _sentences(verdict: Verdict) -> list[str]:
    what = "kept its promise" if verdict.is_kept else "BROKE its promise"
    lost = " and ".join(f"{verdict.lost_in_time(name):,}" for name in verdict.naive)
    windows = sum(ours.ledger["windows"] for ours in verdict.ours.values())
    return [
        f"milepost {what}: {verdict.written:,} rows, {windows:,} windows,"
        f" {verdict.kills:,} server processes killed, {verdict.audits:,} audits on the way",
        f"the naive copies lost {lost} rows of writers who did nothing wrong: a row is dated when"
        " its\ntransaction begins, and seen when that commits",
    ]


def _tell_what_broke(verdict: Verdict) -> None:
    from runner.cli import output

    for error, count in verdict.errors.items():
        output.warn(f"{count} runs failed, not by the killer: {error}")
    if verdict.is_kept:
        return
    for name, ours in verdict.ours.items():
        if not ours.unswept.is_exact:
            output.warn(f"{NAMES[name]}, before its sweep: {ours.unswept}")
        if not ours.deleted.is_exact:
            output.warn(f"{NAMES[name]}, after deletes and a reconcile: {ours.deleted}")
    output.say("\nrows that were lost or stale, and the runs whose window has them:")
    output.table(verdict.sample, "none at the end")
    output.say("\nrows that were promised by a run and were not there (seen meanwhile):")
    output.table(verdict.broken[:10], "none")
