"""A runner to be killed: reads what to do, a line of JSON each; does it in a process of its own,
which SIGKILL ends before a statement. Says how it ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from runner.database.session import Database
from runner.errors import RunnerError
from runner.repairs.pipeline import RepairedPipeline
from tests.ingest_faults.death import Boundary, watched


def kill(boundary: Boundary) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def work(order: dict[str, Any]) -> int:
    pipeline = RepairedPipeline(
        order["pipeline_id"], Database(order["conninfo"]), Path(order["project"])
    )
    with watched(Boundary(order["at"], kill)):
        try:
            getattr(pipeline, order["method"])(**order["arguments"])
        except RunnerError as error:
            print(error, file=sys.stderr)
            return 1
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
