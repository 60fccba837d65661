"""Writes a project with the miles warehouse, adapted to a source of one's own."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from runner.database.session import Session
from runner.errors import RunnerError, StartError, UsageError, did_you_mean
from runner.project.files import HOME
from runner.project.manifest import MANIFEST
from runner.setup import shapes
from runner.setup.new_project import refuse_filled

# The usual names for the column of each role, likeliest first.
USUAL = {
    "event_id": ("event_id", "id", "uuid"),
    "event_time": ("event_time", "occurred_at", "happened_at", "timestamp", "time", "created_at"),
    "created_at": ("created_at", "inserted_at", "received_at", "loaded_at"),
    "user_id": ("user_id", "customer_id", "account_id", "person_id", "member_id"),
    "event_type": ("event_type", "type", "kind", "event", "event_name", "action", "name"),
    "transaction_category": ("transaction_category", "category", "partner", "merchant"),
    "miles_amount": ("miles_amount", "miles", "points", "amount"),
    "platform": ("platform", "device", "os"),
    "utm_source": ("utm_source", "source", "channel"),
    "country": ("country", "country_code"),
}
NEEDED = ("event_id", "event_time", "user_id", "event_type")
CONSTANTS = {"miles_amount": "0"}  # if there is no such column; that of other roles is "unknown"
TYPES = {"event_time": "timestamptz", "created_at": "timestamptz", "miles_amount": "numeric"}
# Campaigns and their costs, new tables, get a schema of their own: the runner may lack the right to
# create tables in public.
OWN = {f"public.{name}": f"marketing.{name}" for name in ("utm_campaigns", "campaign_costs")}
ZONELESS = ("timestamp without time zone", "date")


def columns(session: Session, relation: str) -> dict[str, str]:
    """Return the columns of a source with their types; StartError if it does not exist."""
    found = shapes.columns(session, relation)
    if not found:
        raise StartError(f"{relation} does not exist in this database", "--source SCHEMA.TABLE")
    return found


def choose(
    found: Mapping[str, str], given: Mapping[str, str], ask: Callable[[str, str], str] | None
) -> dict[str, str | None]:
    """Return the column of each role: the one in `given`, or else the one with a usual name, which
    `ask`, given the role and that column, may replace. UsageError if a needed role has none.
    """
    chosen: dict[str, str | None] = {}
    for role, names in USUAL.items():
        column = given.get(role) or next((name for name in names if name in found), None)
        if role == "created_at":
            column = column or chosen["event_time"]
        if ask and role not in given:
            column = ask(role, column or "none")
            column = None if column == "none" else column
        if column is not None and column not in found:
            hint = did_you_mean(column, found, f"it has {', '.join(found)}")
            raise UsageError(f"{role}: the source has no column {column}", hint)
        if column is None and role in NEEDED:
            hint = f"--column {role}=..., one of {', '.join(found)}"
            raise UsageError(f"no column of the source has a usual name for {role}", hint)
        chosen[role] = column
    return chosen


def write(
    folder: Path,
    relation: str,
    found: Mapping[str, str],
    chosen: Mapping[str, str | None],
    timezone: str | None,
) -> list[Path]:
    """Write the project into an empty folder; return its files, relative to it."""
    if not (HOME / MANIFEST).is_file():
        hint = "run this from a clone"
        raise StartError("the miles warehouse is not in the installed package", hint)
    refuse_filled(folder)
    lines = ["[source.event_stream]", f"relation = {_quoted(relation)}"]
    for role, column in chosen.items():
        lines.append(f"{role} = {_described(role, column, found, timezone)}")
    try:
        _copy(folder, "\n".join(lines))
    except OSError as error:
        raise RunnerError(f"{error.filename}: {error.strerror}") from error
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def _copy(folder: Path, section: str) -> None:
    """Copy the warehouse, with this section of the manifest as the mapping of its source."""
    for part in ("sql", "schema", "dashboard"):
        ignored = shutil.ignore_patterns("demo", "ingest", "orchestrator.sql", "migrations")
        shutil.copytree(HOME / part, folder / part, dirs_exist_ok=True, ignore=ignored)
    for name in ("source.sql", "pipelines.sql"):
        own = folder / "schema" / name
        text = own.read_text(encoding="utf-8")
        for shipped, of_marketing in OWN.items():
            text = text.replace(shipped, of_marketing)
        first = "create schema if not exists marketing;\n\n" if name == "source.sql" else ""
        own.write_text(first + text, encoding="utf-8")
    file = folder / MANIFEST
    text = file.read_text(encoding="utf-8")
    before, _, rest = text.partition("[source.event_stream]\n")
    _, _, after = rest.partition("\n\n")
    file.write_text(f"{before}{section}\n\n{after}", encoding="utf-8")


def _quoted(text: str) -> str:
    """Return a string of TOML, which is written as in JSON."""
    return json.dumps(text, ensure_ascii=False)


def _described(
    role: str, column: str | None, found: Mapping[str, str], timezone: str | None
) -> str:
    if column is None:
        return f'{{constant = "{CONSTANTS.get(role, "unknown")}"}}'
    parts = [f"column = {_quoted(column)}"]
    if role in ("event_time", "created_at") and found[column] in ZONELESS:
        if timezone is None:
            hint = "--timezone UTC, or the time zone of the application"
            raise UsageError(f"{column} is a {found[column]}, whose time zone is not known", hint)
        parts.append(f"timezone = {_quoted(timezone)}")
    elif kind := found[column] if role == "event_id" else TYPES.get(role):
        parts.append(f"type = {_quoted(kind)}")
    return f"{{{', '.join(parts)}}}"
