"""What others named and wrote moves no cursor, colours nothing and forges no line of a terminal."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from runner.database.session import Database
from tests.support import earn, insert_events, query
from tests.support.commands import at_terminal, command

# Clears the screen, sets the title of the window, and turns the direction of writing.
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e"
COMMANDS: Sequence[Sequence[str]] = (
    ("ingest",),
    ("build",),
    ("status",),
    ("runs",),
    ("logs",),
    ("checks",),
    ("plan",),
    ("pipelines", "list"),
    ("pipelines", "show", "event_stream"),
)


@pytest.fixture
def hostile(database: Database) -> Database:
    """Columns, categories, owners and errors with control characters in them."""
    name = f'"col{ESCAPES}"'
    query(database, f"alter table public.event_stream add column {name} text")
    query(database, f"comment on column public.event_stream.{name} is 'note {ESCAPES}'")
    strange = {**earn(1, "u_1", 100), "event_type": f"new{ESCAPES}", "country": f"X{ESCAPES}"}
    insert_events(database, [strange, earn(2, f"u{ESCAPES}", 100)])
    for column in ("owner", "description"):
        query(
            database,
            f"update orchestrator.pipeline_definitions set {column} = %(words)s",
            words=f"{column} {ESCAPES}",
        )
    query(
        database,
        "insert into orchestrator.runs (kind, status, target, error, started_at, finished_at)"
        " values ('build', 'failed', 'live', %(words)s, now(), now())",
        words=f"no {ESCAPES}",
    )
    query(
        database,
        "insert into orchestrator.logs (run_id, level, message)"
        " select max(run_id), 'warning', %(words)s from orchestrator.runs",
        words=f"log {ESCAPES}",
    )
    return database


def controls(text: str) -> set[str]:
    return {each for each in "\x07\x9b\u202e\x1b" if each in text}


def test_a_pipe_gets_no_control_characters(hostile: Database) -> None:
    for words in COMMANDS:
        done = command(*words, database=hostile)
        assert controls(done.stdout + done.stderr) == set(), words
        assert "Traceback" not in done.stderr


def test_a_terminal_gets_none_but_our_own(hostile: Database) -> None:
    for words in COMMANDS:
        shown = at_terminal(*words, database=hostile, COLUMNS="200")
        assert controls(shown) <= {"\x1b"}, words  # the moving line, and colours
        assert "\x1b[2J" not in shown, words
        assert "owned" not in shown or r"\x1b" in shown, words
