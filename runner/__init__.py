"""Milepost: ingests rows into PostgreSQL, and builds tables from them with plain SQL scripts.

A project's folder and a database come in; tables that readers see, and a ledger of every run, go
out. It does not know what your tables mean: that is written in your scripts.

from runner import Project

project = Project.open("path/to/project")
project.run_all()
"""

import importlib
from typing import TYPE_CHECKING, Any

from runner.about import VERSION as __version__

if TYPE_CHECKING:
    from runner.api import Project
    from runner.errors import RunnerError, StartError, UsageError

__all__ = ["Project", "RunnerError", "StartError", "UsageError", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that --help stays fast."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "runner.api" if name == "Project" else "runner.errors"
    return getattr(importlib.import_module(module), name)
