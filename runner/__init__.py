"""Milepost: PostgreSQL scripts, run in order and incrementally, by a light runner.

from runner import Project

project = Project.open("path/to/project")
project.run_all()
"""

from typing import TYPE_CHECKING, Any

from runner.about import VERSION as __version__

if TYPE_CHECKING:
    from runner.api import Project
    from runner.errors import RunnerError, StartError, UsageError

__all__ = ["Project", "RunnerError", "StartError", "UsageError", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the public names when they are asked for: `python -m runner --help` stays quick."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "Project":
        from runner.api import Project

        return Project
    from runner import errors

    return getattr(errors, name)
