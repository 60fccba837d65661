"""Fills the source tables with demo data: the SQL in sql/demo, with the figures asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from runner.database.session import Database, Session
from runner.errors import RunnerError, UsageError
from runner.project.template import render

FILES = (Path("sql/demo/event_stream.sql"), Path("sql/demo/utm_campaigns.sql"))


@dataclass(frozen=True, slots=True)
class Demo:
    """What to generate: about growth of `users` over `days` days that end at `end` (exclusive),
    from `seed`.
    """

    events: int
    users: int
    days: int
    seed: int
    end: datetime | None
    append: bool


def seed(database: Database, project: Path, demo: Demo) -> int:
    """Generate events; returns how many there are now. Refuses where events exist, unless it
    appends to them.
    """
    with database.session("milepost seed") as session, session.transaction():
        require_source(session)
        session.run("set local jit = off; set local work_mem = '128MB'")
        # Two seeds at once would each find the table empty.
        session.run("lock table public.event_stream in share row exclusive mode")
        there = session.row(
            "select max(created_at) as newest, coalesce(max(event_id), 0) as last_id"
            " from public.event_stream"
        )
        newest, last_id = there["newest"], there["last_id"]
        if newest is not None and not demo.append:
            raise RunnerError(
                "public.event_stream has events already",
                "--append goes on after the newest; make clean-data deletes embedded data",
            )
        if newest is None and demo.append:
            raise RunnerError(
                "public.event_stream has no events to go on after", "leave out --append"
            )
        span = session.row(
            """
            select
                coalesce(
                    %(newest)s::timestamptz,
                    asked.end_time - make_interval(hours => 24 * %(days)s)
                ) as start_time,
                asked.end_time,
                asked.end_time > now() as is_future
            from (
                select
                    coalesce(
                        %(end)s::timestamptz,
                        -- An append ends now at the latest, a first seed with yesterday.
                        case
                            when %(newest)s::timestamptz is null then date_trunc('day', now())
                            else least(
                                %(newest)s::timestamptz + make_interval(hours => 24 * %(days)s),
                                now()
                            )
                        end
                    ) as end_time
            ) as asked
            """,
            {"newest": newest, "days": demo.days, "end": demo.end},
        )
        if span["is_future"]:
            raise UsageError("--end lies in the future", "no event can have arrived after now")
        if span["start_time"] >= span["end_time"]:
            raise UsageError(f"--end is not after the newest event, {span['start_time']}")
        values = {
            "events": demo.events,
            "users": demo.users,
            "days": demo.days,
            "seed": demo.seed,
            "start_time": span["start_time"],
            "end_time": span["end_time"],
            "is_append": demo.append,
        }
        for file in FILES:
            text = (project / file).read_text(encoding="utf-8")
            session.run(render(text, values, file), file)
        _arrive_after_watermark(session, last_id, span["end_time"])
        return int(session.row("select count(*) as events from public.event_stream")["events"])


def _arrive_after_watermark(session: Session, last_id: int, end_time: datetime) -> None:
    """No ingest reads what arrives behind its watermark, so what would have arrived there arrives
    at it.
    """
    watermark = session.row(
        """
        select max(runs.high) as high
        from orchestrator.runs as runs
        inner join orchestrator.pipeline_definitions as pipelines
            on pipelines.pipeline_id = runs.pipeline_id
        where
            pipelines.source_relation = 'public.event_stream'
            and runs.kind = 'window'
            and runs.status = 'succeeded'
        """
    )["high"]
    if watermark is None:
        return
    if watermark >= end_time:
        raise RunnerError(
            f"the demo data would end at {end_time}, behind the watermark, {watermark}:"
            " no ingest would ever read them",
            "choose a later --end, or leave it out",
        )
    session.rows(
        """
        update public.event_stream
        set created_at = %(watermark)s
        where
            event_id > %(last_id)s
            and created_at < %(watermark)s
        """,
        {"watermark": watermark, "last_id": last_id},
    )


def require_source(session: Session) -> None:
    """RunnerError without a table of events: before `schema apply`, or in another project."""
    found = session.row("select to_regclass('public.event_stream') is not null as found")
    if not found["found"]:
        raise RunnerError(
            "there is no public.event_stream here",
            "python -m runner schema apply makes it; a project of your own has its own source",
        )


def is_empty(database: Database) -> bool:
    """Whether there is not one event."""
    with database.session("milepost seed") as session:
        require_source(session)
        found = session.row("select exists (select from public.event_stream) as found")["found"]
        return not found
