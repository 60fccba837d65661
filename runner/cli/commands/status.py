from dataclasses import asdict

from runner.cli import output
from runner.cli.command import Workspace, json_option, project_command, target_option
from runner.project.target import Target
from runner.status import Status, status


@project_command("status", target_option, json_option)
def command(here: Workspace, target: Target) -> None:
    """Say whether the numbers can be trusted, and if not, why.

    Each problem comes with its remedy. Exits with 1 if something needs attention.

    \b
    Example: python -m runner status
    """
    found = status(here.database(), here.folder, target.name)
    _show(found)
    output.data({"is_good": found.is_good, **asdict(found)})
    output.fail_if(not found.is_good)


def _show(found: Status) -> None:
    if found.is_good:
        output.say("good: nothing is known to be missing")
        output.say(f"    this rests on {found.rests_on}")
    else:
        output.say(f"not good: {output.number(len(found.problems), 'problem')}")
    for problem in found.problems:  # not a table, which would cut them
        output.say(f"{problem['what']}: {problem['problem']}")
        output.say(f"    {problem['remedy']}")
    for note in found.notes:
        output.say(f"no script needs it: {note['what']}: {note['problem']}")
    for rows, empty in (
        (found.freshness, "no pipeline is enabled"),
        (found.last_builds, "nothing has been built yet"),
        (found.check_counts, "no check has run yet"),
    ):
        output.say()
        output.table(rows, empty)
