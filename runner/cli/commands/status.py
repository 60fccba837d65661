from dataclasses import asdict

import click

from runner.cli import output
from runner.cli.command import Workspace, json_option, project_command, target_option
from runner.errors import room
from runner.project.target import Target
from runner.status import Status, status

FRESHNESS = ("pipeline", "status", "loaded_through", "newest_arrival", "guarantee")


@project_command("status", target_option, json_option)
@click.option(
    "--format",
    "form",
    type=click.Choice(["prometheus"]),
    help="Print metrics in the Prometheus text format instead.",
)
@click.option("--alert", is_flag=True, help="Also send alerts, as run-all does after each round.")
def command(here: Workspace, target: Target, form: str | None, alert: bool) -> None:
    """Show whether the data can be trusted, and if not, why.

    Shows a remedy with each problem. Exits with 1 if there is one.

    \b
    Example: python -m runner status
    """
    found = status(here.database(), here.folder, target.name)
    if alert:
        send = room("runner.alerts.incidents").alert
        send(here.database(), here.folder, output.warn, target.name, found)
    if form:
        output.answer(room("runner.alerts.prometheus").metrics(found, target.name))
    else:
        _show(found)
        output.data({"is_good": found.is_good, **asdict(found)})
    output.fail_if(not found.is_good)


def _show(found: Status) -> None:
    if found.is_good:
        output.say("ok: no known problems")
        for line in found.rests_on.splitlines():
            output.say(f"    {line}")
    else:
        output.say(f"not ok: {output.number(len(found.problems), 'problem')}")
    for problem in found.problems:
        output.say(f"{problem['what']}: {problem['problem']}")
        output.say(f"    {problem['remedy']}")
    for note in found.notes:
        output.say(f"note (no script uses it): {note['what']}: {note['problem']}")
    for late in found.behind:
        output.say(
            f"not updated since pipeline {late['pipeline']} stopped at {late['loaded_through']}:"
            f" {', '.join(late['reports'])}"
        )
    output.say()
    output.table(found.freshness, "no pipeline is enabled", FRESHNESS)
    output.say()
    output.table(found.last_builds, "nothing has been built yet")
    counts = ", ".join(f"{row['checks']} {row['status']}" for row in found.check_counts)
    output.say(f"\nchecks: {counts or 'none has run yet'}")
