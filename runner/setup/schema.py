"""Applies the DDL in schema/ in one transaction, or shows what that would change.

An older database is migrated first; its derived tables are left to the next build.
"""

from runner.build import months, placement
from runner.build.compose import Composer, run_pieces
from runner.build.shape import columns
from runner.database import version
from runner.database.session import (
    OTHER_COLUMNS,
    OTHER_KIND,
    UNDEFINED_COLUMN,
    UNDEFINED_TABLE,
    Database,
    QueryFailed,
    Session,
)
from runner.database.tables import exists
from runner.errors import StartError
from runner.ingest.months.months import monthly_replicas as replicas_in_months
from runner.ingest.pipelines import pipelines, read_definition
from runner.ingest.replica import ensure_replica
from runner.project.files import tables_of
from runner.project.graph import order
from runner.project.manifest import CITUS, LAYERS, Manifest, Script
from runner.project.target import Target
from runner.setup import migrations, shapes
from runner.setup.roles import create_roles, hand_over, rights


def rehearse(
    database: Database, manifest: Manifest, target: Target, roles: bool = False
) -> list[str]:
    """Return what `apply` would create, change or grant, a line each; change nothing."""
    with database.session("milepost schema") as session, session.rehearsal():
        missing = migrations.pending(session)
        before, places = _catalogue(session), _places(session, manifest)
        had = rights(session, target)
        _run(session, manifest, target, roles)
        changes = [f"migrate {path.stem}" for path in missing]
        changes += [
            f"{'replace' if name in before else 'create'} {name}"
            for name, state in _catalogue(session).items()
            if before.get(name) != state
        ]
        changes += [
            f"place {table}: {place}"
            for table, place in _places(session, manifest).items()
            if table not in places
        ]
        changes += [right for right in rights(session, target) if right not in had]
    return changes


def waiting(database: Database, manifest: Manifest, target: Target) -> list[str]:
    """Return what the next build does to tables that `apply` leaves as they are, a line each."""
    how = "partitioned by month" if manifest.has_months else "no longer partitioned by month"
    with database.session("milepost schema") as session:
        tables = months.waiting(session, manifest, target)
    rest = "with all that depends on it"
    return [f"the next build recreates {table}, {how}, {rest}" for table in tables]


def apply(database: Database, manifest: Manifest, target: Target, roles: bool = False) -> None:
    """Create what does not exist yet, and migrate an older database; with `roles`, also create the
    roles that own, run, load and read. A second run changes nothing.

    StartError if the database is of a newer version, or if this role may not create roles; LockHeld
    if a migration is pending and an ingest or build is running.
    """
    with (
        database.session("milepost schema") as session,
        migrations.locked(session),
        session.transaction(),
    ):
        _places(session, manifest)  # fails if a worker does not answer
        _run(session, manifest, target, roles)


def _run(session: Session, manifest: Manifest, target: Target, roles: bool) -> None:
    composer = Composer(manifest, target, {})
    older = migrations.pending(session)

    def is_foreign(name: str) -> bool:
        """Whether schema/NAME.sql creates tables that exist and belong to another role."""
        tables = tables_of(manifest.project, name)
        return bool(session.named("setup/schema.foreign", tables=tables)[0]["found"])

    def run_file(name: str) -> None:
        if not is_foreign(name):
            run_pieces(session, composer.layer(name))

    run_file("source")
    shapes.check(session, manifest)
    if not is_foreign("orchestrator"):
        migrations.migrate(session, older)
        run_pieces(session, composer.layer("orchestrator"))
        version.record(session)
    elif older:
        problem = "this database has an older orchestrator schema, which belongs to another role"
        raise StartError(problem, f"{version.APPLY}, as the role that owns the schema orchestrator")
    run_file("pipelines")
    shapes.check_pipelines(session, manifest)
    run_file("warehouse")
    _create_replicas(session, manifest)
    scripts = order(manifest)
    for layer in LAYERS:
        if layer != "warehouse":
            run_pieces(session, composer.layer(layer))
        for script in scripts:
            if script.layer == layer:
                _define(session, composer, script, bool(older))
    if manifest.engine == CITUS:
        placement.check(session, manifest, target)
    if roles:
        create_roles(session, composer)
    hand_over(session, target)


def _define(session: Session, composer: Composer, script: Script, is_older: bool) -> None:
    """Create the tables of a script. A table of another shape stays until the next build reshapes
    it, and so do, in an older database, views of such tables.
    """
    stays = (UNDEFINED_COLUMN, OTHER_COLUMNS, OTHER_KIND)
    tables = composer.target.tables(script)
    for table, piece in zip(tables, composer.definitions(script), strict=True):
        try:
            with session.savepoint():
                run_pieces(session, [piece])
        except QueryFailed as error:
            is_over_one = script.is_view and (is_older or error.sqlstate != UNDEFINED_TABLE)
            if error.sqlstate not in (*stays, UNDEFINED_TABLE) or not (
                is_over_one or columns(session, table)
            ):
                raise


def _create_replicas(session: Session, manifest: Manifest) -> None:
    """Create replicas. Their columns are those of the sources, so no file defines them."""
    replicas_in_months(session, manifest)
    for pipeline in pipelines(session):
        definition = read_definition(session, pipeline["pipeline_id"])
        if exists(session, definition.source_relation):
            ensure_replica(session, definition, manifest.project)


def _catalogue(session: Session) -> dict[str, str]:
    rows = session.named("setup/schema.catalogue")
    return {row["name"]: row["state"] for row in rows}


def _places(session: Session, manifest: Manifest) -> dict[str, str]:
    """Return how tables are distributed in a cluster; StartError if a worker does not answer."""
    if manifest.engine != CITUS:
        return {}
    placement.prepare(session)
    return placement.placed(session)
