from dataclasses import asdict

from runner.cli import output
from runner.cli.command import Workspace, json_option, project_command
from runner.setup.doctor import examine


@project_command("doctor", json_option)
def command(here: Workspace) -> None:
    """Check settings, privileges, sources, disk space and clocks.

    Changes nothing. Shows a fix with each finding. Exits with 1 if there is a problem.

    \b
    Example: python -m runner doctor
    """
    found = examine(here.database(), here.manifest())
    output.data([asdict(each) for each in found])
    for each in found:
        output.say(f"{each.level:<8} {each.what}: {each.finding}")
        if each.cure:
            output.say(f"         {each.cure}")
    output.fail_if(any(each.level == "problem" for each in found))
