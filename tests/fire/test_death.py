"""Death before every statement of whatever brings rows: nothing is lost, doubled or left half."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg
import pytest

from runner.database import Database
from runner.embedded import FAST, Server
from runner.errors import RunnerError
from tests.conftest import load_schema
from tests.fire.arena import Arena
from tests.fire.death import Boundary, terminate, watched
from tests.support import PROJECT

MOST_STATEMENTS = 1000
Order = tuple[str, list[Any]]


@dataclass(frozen=True)
class Story:
    """What is done to a source before each death, and what the runner is told to do then."""

    definition: dict[str, Any]
    prepare: Callable[[Arena], None]
    order: Callable[[Arena], Order]
    finish: Callable[[Arena], None] = lambda arena: None


def pass_an_hour(arena: Arena) -> None:
    arena.run_text("update fire.now_there set clock = clock + interval '1 hour'")


def moment(arena: Arena, ago: str) -> str:
    return str(arena.one("select (clock - %s::interval)::text from fire.now_there", ago))


def write(arena: Arena) -> None:
    """New rows, and some behind the watermark: late, null, changed with and without a word."""
    pass_an_hour(arena)
    arena.insert(*[moment(arena, f"{minutes} minutes") for minutes in (50, 30, 10)])
    arena.insert(moment(arena, "3 hours"), None)
    if arena.last_id > 10:
        arena.change(arena.last_id - 9, "changed", moment(arena, "20 minutes"))
        arena.change(arena.last_id - 8, f"changed in silence {arena.last_id}")


def run(arena: Arena) -> Order:
    return "run", [0]


def write_long_ago(arena: Arena) -> None:
    write(arena)
    arena.insert(moment(arena, "40 days"))
    arena.all("update fire.goods set value = value || '!' where id % 5 = 1")


def sweep(arena: Arena) -> None:
    arena.ingest(sweep=True)


def change_in_range(arena: Arena) -> None:
    write(arena)
    arena.ingest()
    arena.insert(moment(arena, "40 days"))
    arena.all("update fire.goods set value = value || '.' where id = 1")


def delete_some(arena: Arena) -> None:
    write_long_ago(arena)
    arena.ingest()
    arena.all(
        "delete from fire.goods where id in (select id from fire.goods where id > 1 limit 2)"
    )


def ingest_and_choose(arena: Arena) -> None:
    write(arena)
    arena.ingest()


def undo(arena: Arena) -> Order:
    last = arena.one(
        "select max(run_id) from orchestrator.runs where kind = 'window' and status = 'succeeded'"
    )
    return "undo", [last]


def finish_undo(arena: Arena) -> None:
    """It happened, whoever was told."""
    method, (run_id,) = arena.order
    if arena.one("select status from orchestrator.runs where run_id = %s", run_id) == "succeeded":
        getattr(arena.pipeline, method)(run_id)
    arena.fill_gaps()


def backfill_gaps(arena: Arena) -> None:
    """Two windows at least, undone, so that there is a gap of more than one."""
    for _ in range(2):
        pass_an_hour(arena)
        arena.insert(moment(arena, "50 minutes"), moment(arena, "10 minutes"))
    for run in arena.ingest():
        arena.pipeline.undo(run.run_id)


def backfill(arena: Arena) -> Order:
    gaps = arena.gaps()
    return "backfill", [gaps[0][0], gaps[-1][1]]


UPSERT = {"mode": "upsert", "lookback": "1 day"}
APPEND = {"mode": "append", "lookback": "1 day"}
KEYLESS = {"mode": "append", "key": "{}", "window_size": "30 minutes"}


def write_only_new(arena: Arena) -> None:
    pass_an_hour(arena)
    arena.insert(*[moment(arena, f"{minutes} minutes") for minutes in (50, 30, 10)])


STORIES = {
    "append": Story(APPEND, write, run),
    "upsert": Story(UPSERT, write, run),
    "windows": Story({**APPEND, "window_size": "15 minutes"}, write, run),
    "keyless": Story(KEYLESS, write_only_new, run),
    "sweep": Story(UPSERT, write_long_ago, lambda arena: ("run", [0, lambda _: None, True]), sweep),
    "backfill": Story(
        UPSERT,
        change_in_range,
        lambda arena: ("backfill", ["-infinity", "infinity"]),
        lambda arena: arena.pipeline.backfill("-infinity", "infinity") and None,
    ),
    "reconcile": Story(
        {**UPSERT, "on_delete": "apply"},
        delete_some,
        lambda arena: ("reconcile", []),
        lambda arena: arena.pipeline.reconcile() and None,
    ),
    "undo": Story(UPSERT, ingest_and_choose, undo, finish_undo),
    "keyless undo": Story(KEYLESS, ingest_keyless := None, undo, finish_undo),  # type: ignore
    "keyless backfill": Story(KEYLESS, backfill_gaps, backfill, lambda arena: arena.fill_gaps()),
}
