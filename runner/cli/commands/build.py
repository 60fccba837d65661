from runner.build.build import build
from runner.cli.command import (
    Workspace,
    jobs_option,
    json_option,
    project_command,
    select_option,
    target_option,
)
from runner.cli.progress import show_progress
from runner.cli.show import build as show_build
from runner.project.target import Target


@project_command("build", jobs_option, target_option, json_option)
@select_option("Build these scripts in full, and everything downstream of them.")
def command(here: Workspace, patterns: tuple[str, ...], jobs: int | None, target: Target) -> None:
    """Bring the tables up to date.

    Runs only the scripts that have work to do. Readers see the new version all at once, after all
    checks have passed; a build that fails changes nothing. A large first build runs several scripts
    at once, and blocks `ingest` until it is done.

    \b
    Example: python -m runner build -s fact_miles_earned
    """
    manifest = here.manifest()
    with show_progress() as progress:
        done = build(here.database(), manifest, target, patterns, jobs, progress)
    show_build.show(done, progress)
