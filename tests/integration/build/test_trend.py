"""How long builds take, and which script has become slow."""

from __future__ import annotations

import json
import random
import statistics
from pathlib import Path
from typing import Any

import pytest

from runner.build.build import build
from runner.database import ledger
from runner.database.session import Database, Session
from runner.project.manifest import load
from runner.project.target import Target
from tests.support import PROJECT, edit, query, scalar
from tests.support.commands import assert_refused, command
from tests.support.sweeps import slow_but

RUN = """
    insert into orchestrator.runs (
        kind, status, target, script, build_mode, parent_run_id, started_at, finished_at
    )
    values (
        %(kind)s, %(status)s, %(target)s, %(script)s, %(mode)s, %(build)s, '2026-01-01',
        timestamptz '2026-01-01' + make_interval(secs => %(seconds)s)
    )
    returning run_id
"""


def ran(database: Database, **values: Any) -> int:
    with database.session("test") as session:
        return _record(session, **values)


def _record(session: Session, **values: Any) -> int:
    given = {"kind": "build", "status": "succeeded", "target": "live", "script": None}
    given |= {"mode": None, "build": None, "seconds": 1}
    return int(session.row(RUN, given | values)["run_id"])


def ran_script(database: Database, build: int, script: str, **values: Any) -> None:
    ran(database, kind="script", script=script, build=build, **{"mode": "incremental", **values})


@pytest.mark.parametrize("seed", slow_but(range(3), 0))
def test_slow_is_three_times_the_median_of_the_last_twenty_in_the_same_mode(
    database: Database, seed: int
) -> None:
    chance = random.Random(seed)
    scripts = [f"warehouse.script_{number}" for number in range(12)]
    history: dict[tuple[str, str], list[float]] = {}
    expected: dict[str, float] = {}
    with database.session("test") as session:
        for number in range(1, 31):
            run = _record(session)
            expected = {}
            for script in scripts[: 12 if number > 24 else 9]:
                seconds = chance.choice((0.01, 0.2, 0.4, 1.0, 1.3, 4.0, 9.0))
                mode = chance.choice(("full", "incremental", "incremental"))
                status = chance.choice(("succeeded", "succeeded", "succeeded", "rolled_back"))
                about = {"mode": mode, "seconds": seconds, "status": status}
                _record(session, kind="script", script=script, build=run, **about)
                if status != "succeeded":
                    continue
                earlier = history.setdefault((script, mode), [])
                if len(earlier) >= 5 and seconds >= 0.5:
                    median = statistics.median(earlier[-20:])
                    if seconds > 3 * median:
                        expected[script] = median
                earlier.append(seconds)
            # Of another target: it is not compared.
            beside = {"target": "dev", "mode": "incremental", "seconds": 0.001}
            _record(session, kind="script", script=scripts[0], build=run, **beside)
            found = ledger.slow_scripts(session, run)
            of_live = {each.script: each.median for each in found}
            assert of_live == pytest.approx(expected)


@pytest.fixture
def slowed(database: Database) -> Database:
    """Six builds, of which the last took longer because of one script."""
    for seconds in (1.0, 1.5, 1.0, 2.0, 1.0, 8.0):
        run = ran(database, seconds=seconds)
        ran_script(database, run, "reporting.kpi_daily", seconds=seconds / 2)
        ran_script(database, run, "reporting.retention", seconds=0.25)
    return database


WARNING = (
    "warning: reporting.kpi_daily took 4.0 s, 8.0 times its median (0.50 s) in the last"
    " 5 incremental builds"
)


def test_trend_lists_builds_and_warns_of_a_script(slowed: Database) -> None:
    done = command("runs", "trend", database=slowed)
    assert done.returncode == 0
    assert WARNING in done.stderr
    assert "runs trend reporting.kpi_daily" in done.stderr
    head, _, *lines = done.stdout.splitlines()
    assert head.split() == ["run", "build", "started_at", "seconds"]
    assert [line.split()[-1] for line in lines] == ["1.00", "1.50", "1.00", "2.00", "1.00", "8.00"]


def test_trend_of_one_script_and_of_a_few_builds(slowed: Database) -> None:
    done = command("runs", "trend", "retention", "-n", "2", "--json", database=slowed)
    shown = json.loads(done.stdout)
    assert [(each["build"], each["seconds"]) for each in shown["builds"]] == [
        ("incremental", 0.25)
    ] * 2
    assert shown["slow"] == []
    shown = json.loads(command("runs", "trend", "kpi_daily", "--json", database=slowed).stdout)
    assert [each["seconds"] for each in shown["builds"]] == [0.5, 0.75, 0.5, 1, 0.5, 4]
    assert [(each["script"], each["median"]) for each in shown["slow"]] == [
        ("reporting.kpi_daily", 0.5)
    ]


def test_trend_of_nothing_and_of_too_much(database: Database) -> None:
    done = command("runs", "trend", database=database)
    assert (done.returncode, done.stdout) == (
        0,
        "no build has succeeded yet: python -m runner build\n",
    )
    for name in ("fact_mile_earned", "fact_*"):
        assert_refused(command("runs", "trend", name, database=database), 2, name)


def test_a_build_warns_and_succeeds(built: Database, project: Path) -> None:
    query(
        built, "delete from orchestrator.runs where kind = 'script' and script like 'reporting.k%%'"
    )
    for _ in range(5):
        ran_script(built, ran(built), "reporting.kpi_daily", mode="full", seconds=0.1)
    file = "sql/reporting/kpi_daily.sql"
    text = (project / file).read_text(encoding="utf-8")
    slower = edit(project, file, text, f"{text}\nselect pg_sleep(0.6);\n")
    done = build(built, slower, Target())
    (slow,) = done.slow
    assert (slow.script, slow.mode, slow.times) == ("reporting.kpi_daily", "full", 5)
    assert slow.seconds > 0.6
    assert done.warnings == ()
    # Compared with slow ones, as whatever it takes on a busy machine must not matter here.
    for _ in range(20):
        ran_script(built, ran(built), "reporting.kpi_daily", mode="full", seconds=60)
    assert build(built, load(PROJECT), Target()).slow == ()
    assert scalar(built, "select count(*) from orchestrator.runs where build_mode = 'full'") > 5
