"""A server to be killed, with a warehouse on it, and hard questions to both."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.compare.rebuild import verify
from runner.database.embedded import FAST, Server
from runner.database.session import Database
from runner.errors import RunnerError
from runner.project.manifest import load
from runner.project.target import Target
from tests.support import (
    PROJECT,
    assert_facts_equal_oracle,
    assert_reports_equal_oracle,
    earn,
    event,
    insert_events,
    query,
    run_all,
    scalar,
)
from tests.support.databases import apply_schema, created, let_rows_change, new_name

ROOM = "700m"  # of the small file system: a warehouse, its log, and something to fill
# What was committed is on the disk: the source must not lose what a runner has seen.
SETTINGS = {
    **FAST,
    "synchronous_commit": "on",
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
    "shared_buffers": "64MB",
    "autovacuum_naptime": "5s",
}
COLUMNS = (
    "event_id, event_time, user_id, event_type, transaction_category, miles_amount, platform,"
    " utm_source, country, created_at, updated_at"
)
FACTS = (
    "fact_miles_earned",
    "fact_miles_redeemed",
    "fact_reward_searches",
    "fact_social_engagements",
    "fact_unclassified_events",
)


@dataclass
class Arena:
    """The server, its folder, and the warehouse on it. `is_small` says that the folder is a file
    system of its own, which can be filled.
    """

    server: Server
    folder: Path
    database: Database
    is_small: bool
    statements: int = 60  # of a run and a build, as last counted

    @property
    def filler(self) -> Path:
        return self.folder / "filler"

    # What happens to the server.

    def processes(self) -> list[int]:
        """The postmaster and its children."""
        postmaster = self.server.postmaster.pid()
        if postmaster is None:
            return []
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    def kill(self) -> None:
        """Every process of the server at once, as the kernel does when memory is out."""
        pids = self.processes()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(_is_alive(pid) for pid in pids):
            time.sleep(0.01)

    def stop_at_once(self) -> None:
        """As after a power cut, but for the disk: it is told to write nothing more."""
        if pid := self.server.postmaster.pid():
            os.kill(pid, signal.SIGQUIT)
        while self.server.is_running():
            time.sleep(0.01)

    def revive(self) -> None:
        """Start the server if it is down; wait while it recovers."""
        deadline = time.monotonic() + 120
        while True:
            try:
                self.server.start()
                scalar(self.database, "select 1")
                return
            except RunnerError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def fill_up(self, left: int) -> None:
        """Leave so many bytes on the disk."""
        free = shutil.disk_usage(self.folder).free
        with self.filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free - left))

    # Questions.

    def assert_sound(self) -> None:
        """The replica is the source, each event is in one fact, and each window was read once."""
        source = f"select {COLUMNS} from public.event_stream"
        replica = f"select {COLUMNS} from warehouse.raw_event_stream"
        for one, other in ((source, replica), (replica, source)):
            assert query(self.database, f"({one}) except all ({other}) limit 3") == []
        campaigns = "utm_source, campaign, channel, is_paid, monthly_cost, updated_at"
        one, other = (
            f"select {campaigns} from {table}"
            for table in ("public.utm_campaigns", "warehouse.raw_utm_campaigns")
        )
        assert query(self.database, f"({one}) except all ({other}) limit 3") == []
        facts = " union all ".join(f"select event_id from warehouse.{fact}" for fact in FACTS)
        ids = "select event_id from public.event_stream"
        for one, other in ((facts, ids), (ids, facts)):
            assert query(self.database, f"({one}) except all ({other}) limit 3") == []
        windows = query(
            self.database,
            "select run_id, low::text as low, lag(high::text) over (partition by pipeline_id"
            " order by run_id) as before from orchestrator.runs where kind = 'window' and status = 'succeeded'",
        )
        assert [row for row in windows if row["before"] not in (None, row["low"])] == []
        running = "select count(*) from orchestrator.runs where status = 'running'"
        assert scalar(self.database, running) == 0
        scratch = "select count(*) from pg_namespace where nspname like '%scratch%'"
        assert scalar(self.database, scratch) == 0

    def assert_equals_rebuild(self) -> None:
        found = verify(self.database, load(PROJECT), Target())
        assert not found.differences, found.differences

    def assert_equals_oracle(self) -> None:
        assert_facts_equal_oracle(self.database)
        assert_reports_equal_oracle(self.database)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@contextlib.contextmanager
def opened() -> Iterator[Arena]:
    """A new server and a built warehouse; all gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-faults-"))
    folder.chmod(0o755)
    is_small = _mount(folder)
    server = Server(folder / "data", SETTINGS)
    try:
        server.start()
        with created(server.uri, new_name("faults")) as database:
            apply_schema(database)
            let_rows_change(database)
            change_pipelines(database)
            insert_events(database, history())
            run_all(database)
            arena = Arena(server, folder, database, is_small)
            yield arena
            arena.revive()
    finally:
        server.delete()
        if is_small:
            subprocess.run(["umount", folder], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def _mount(folder: Path) -> bool:
    """Mount a small file system there; False where that is not allowed."""
    if os.geteuid() != 0:
        return False
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=755", "tmpfs", folder]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


def change_pipelines(database: Database) -> None:
    query(
        database,
        "update orchestrator.pipeline_definitions set on_delete = 'apply', max_hold = '0 s'",
    )


def history() -> list[dict[str, Any]]:
    kinds = ("like", "share", "reward_search", "miles_redeemed", "of a kind unknown")
    return [
        *(earn(day, f"u_{day % 7}", miles=10 + day) for day in range(40)),
        *(event(day, f"u_{day % 5}", kinds[day % 5], miles_amount=None) for day in range(40)),
    ]
