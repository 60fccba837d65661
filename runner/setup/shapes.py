"""Checks the sources that the manifest maps against the database. Queries: shapes.sql."""

from runner.database import zones
from runner.database.session import Session
from runner.errors import StartError, did_you_mean
from runner.project.manifest import MANIFEST, Manifest
from runner.project.sources import MOMENT, Role

ZONED = "timestamp with time zone"


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
        for name_of_role, role in shape.roles.items():
            if found := _problem(session, shape.relation, role, types):
                raise StartError(f"{where} {name_of_role}: {found[0]}", found[1])


def _problem(
    session: Session, relation: str, role: Role, types: dict[str, str]
) -> tuple[str, str | None] | None:
    """Return what is wrong with the column of a role, and a hint."""
    if role.column is None:
        return None
    if role.column not in types:
        hint = did_you_mean(role.column, types, f"it has {', '.join(types)}")
        return f"{relation} has no column {role.column}", hint
    if role.type != MOMENT:
        return None
    actual = types[role.column]
    said, has_zone = f"{relation}.{role.column} is a {actual}", actual == ZONED
    if actual not in (ZONED, "timestamp without time zone", "date"):
        return said, f"an event needs a {MOMENT}: read a view that has one"
    if not has_zone and not role.timezone:
        return f"{said}, whose time zone is not known", '{column = "...", timezone = "UTC"}'
    if has_zone and role.timezone:
        return f"{said}, which has a time zone", "leave out timezone"
    problem = zones.problem(session, role.timezone) if role.timezone else None
    return (problem, zones.HINT) if problem else None


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
