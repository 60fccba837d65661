"""Fills the sources of a project with demo data, by the scripts in its sql/demo."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from psycopg import sql

from runner.database.queries import named_query
from runner.database.session import Database, Session
from runner.errors import RunnerError, UsageError
from runner.project.files import read_text
from runner.project.template import render
from runner.setup.source import SourceTable, find

FOLDER = Path("sql/demo")


@dataclass(frozen=True, slots=True)
class Demo:
    """What to generate: `events` events of `users` users, in the `days` days before `end`. Equal
    values, with their random `seed`, give the same data.
    """

    events: int
    users: int
    days: int
    seed: int
    end: datetime | None
    append: bool


def seed(database: Database, project: Path, demo: Demo) -> int:
    """Run the scripts of sql/demo in one transaction; return the number of rows in the source.

    The source is that of the first pipeline. RunnerError if it has rows, unless the demo appends.
    """
    files = sorted((project / FOLDER).glob("*.sql"))
    if not files:
        raise RunnerError(f"this project has no demo data: {FOLDER} has no scripts")
    with database.session("milepost seed") as session, session.transaction():
        source = find(session)
        session.run("set local jit = off; set local work_mem = '128MB'")
        # Otherwise two seeds at once could each find the table empty.
        session.run(_text("lock", source))
        newest = session.row(_text("newest", source))["newest"]
        if newest is not None and not demo.append:
            hint = "--append continues after the newest; make clean-data deletes embedded data"
            raise RunnerError(f"{source.name} has rows already", hint)
        if newest is None and demo.append:
            raise RunnerError(f"{source.name} has no rows to continue after", "omit --append")
        span = session.named("setup/demo.span", newest=newest, days=demo.days, end=demo.end)[0]
        if span["is_future"]:
            raise UsageError("--end is in the future", "no event can have arrived yet")
        if span["start_time"] >= span["end_time"]:
            raise UsageError(f"--end is not after the newest row, {span['start_time']}")
        values = {**asdict(demo), **span, "is_append": demo.append}
        for file in files:
            path = file.relative_to(project)
            session.run(render(read_text(file), values, path), path)
        _arrive_after_watermark(session, source, span["end_time"])
        return int(session.row(_text("count", source))["rows"])


def is_empty(database: Database) -> bool:
    """Return whether the source that `seed` fills has no rows."""
    with database.session("milepost seed") as session:
        return bool(session.row(_text("is_empty", find(session)))["is_empty"])


def _arrive_after_watermark(session: Session, source: SourceTable, end_time: datetime) -> None:
    """Move rows from before the watermark, where no ingest reads them, up to it."""
    watermark = session.named("setup/demo.watermark", source=source.name)[0]["high"]
    if watermark is None:
        return
    if watermark >= end_time:
        raise RunnerError(
            f"the demo data would end at {end_time}, behind the watermark, {watermark}:"
            " no ingest would ever read them",
            "choose a later --end, or leave it out",
        )
    session.rows(_text("arrive", source), {"watermark": watermark})


def _text(name: str, source: SourceTable) -> str:
    """Return a query of demo.sql on the source."""
    cursor = sql.Identifier(source.cursor or "")
    query = sql.SQL(named_query(f"setup/demo.{name}"))
    return query.format(table=source.table, cursor=cursor).as_string(None)
