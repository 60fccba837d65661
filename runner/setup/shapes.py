"""Checks the sources that the manifest maps against the database. Queries: shapes.sql."""

from collections.abc import Iterator

from runner.database import zones
from runner.database.session import Session
from runner.errors import StartError, did_you_mean
from runner.project.manifest import MANIFEST, Manifest
from runner.project.sources import MOMENT, Role

TIMES = {"timestamp with time zone", "timestamp without time zone", "date"}


def columns(session: Session, relation: str) -> dict[str, str]:
    """Return the columns of a table with their types; none if it does not exist."""
    rows = session.named("setup/shapes.columns", relation=relation)
    return {row["column"]: row["type"] for row in rows}


def check(session: Session, manifest: Manifest) -> None:
    """StartError for the first source that does not exist or does not fit its mapping."""
    for name, shape in manifest.sources.items():
        types = columns(session, shape.relation)
        where = f"{MANIFEST}: [source.{name}]"
        if not types:
            hint = "name a table or view of this database, or: pipelines add --help"
            raise StartError(f"{where}: {shape.relation} does not exist", hint)
        for role, found in shape.roles.items():
            for what, hint in _problems(session, shape.relation, found, types):
                raise StartError(f"{where} {role}: {what}", hint)


def _problems(
    session: Session, relation: str, role: Role, types: dict[str, str]
) -> Iterator[tuple[str, str | None]]:
    if role.column is None:
        return
    if role.column not in types:
        missing = f"{relation} has no column {role.column}"
        yield missing, did_you_mean(role.column, types, f"it has {', '.join(types)}")
        return
    actual = types[role.column]
    if role.type == MOMENT:
        said = f"{relation}.{role.column} is a {actual}"
        if actual not in TIMES:
            yield said, f"an event needs a {MOMENT}: read a view that has one"
        elif actual != "timestamp with time zone" and not role.timezone:
            yield f"{said}, whose time zone is not known", '{column = "...", timezone = "UTC"}'
        elif actual == "timestamp with time zone" and role.timezone:
            yield f"{said}, which has a time zone", "leave out timezone"
        elif role.timezone and (problem := zones.problem(session, role.timezone)):
            yield problem, zones.HINT


def check_pipelines(session: Session, manifest: Manifest) -> None:
    """StartError if a pipeline that exists already reads another table than the manifest says."""
    for name, shape in manifest.sources.items():
        for row in session.named("setup/shapes.pipeline", pipeline=name):
            if row["source_relation"] != shape.relation:
                raise StartError(
                    f"pipeline {name} reads {row['source_relation']}, but {MANIFEST} says"
                    f" {shape.relation}",
                    f"update orchestrator.pipeline_definitions set source_relation ="
                    f" '{shape.relation}', with its cursor and key, where pipeline_name = '{name}'",
                )
