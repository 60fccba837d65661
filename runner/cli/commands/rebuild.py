from runner.cli.command import Workspace, jobs_option, json_option, project_command, target_option
from runner.cli.progress import show_progress
from runner.cli.show import build as show_build
from runner.compare.rebuild import rebuild
from runner.project.target import Target


@project_command("rebuild", jobs_option, target_option, json_option)
def command(here: Workspace, jobs: int | None, target: Target) -> None:
    """Rebuild all tables from scratch and publish the differences.

    Rebuilds in a scratch schema; readers see the old version until all checks have passed. `ingest`
    is blocked meanwhile, and exits with 3.

    \b
    Example: python -m runner rebuild -j 2
    """
    manifest = here.manifest()
    with show_progress() as progress:
        done = rebuild(here.database(), manifest, target, jobs, progress)
    show_build.show(done, progress, "rebuild")
