"""A runner to be killed: reads what to build, a line of JSON each; does it in a process of its own,
which SIGKILL ends before a script. Says how it ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from runner.build.build import build
from runner.build.plan import Step
from runner.database.session import Database
from runner.project.manifest import load
from runner.project.target import Target
from tests.support.listeners import Hearing


def work(order: dict[str, Any]) -> int:
    def starting(step: Step, index: int, count: int) -> None:
        if index == order["at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    build(
        Database(order["conninfo"]),
        load(Path(order["project"])),
        Target(),
        order["forced"],
        listener=Hearing(starting),
    )
    return 0


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(work(order))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
