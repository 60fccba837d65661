"""Applies the DDL in schema/ in one transaction, or tells what that would create."""

from runner.build.compose import Composer, run_pieces
from runner.build.shape import columns
from runner.database.session import OTHER_KIND, UNDEFINED_COLUMN, Database, QueryFailed, Session
from runner.database.tables import exists
from runner.ingest.pipelines import pipelines, read_definition
from runner.ingest.replica import ensure_replica
from runner.project.files import tables_of
from runner.project.graph import order
from runner.project.manifest import LAYERS, Manifest, Script
from runner.project.target import Target
from runner.setup.roles import create_roles, hand_over, rights

# Applied in this order, before the tables of the layers. A project may lack the first and the
# third; the others come with the package.
FIRST = ("source", "orchestrator", "pipelines", "warehouse")


def rehearse(
    database: Database, manifest: Manifest, target: Target, roles: bool = False
) -> list[str]:
    """Return what `apply` would create, change or grant, a line each; nothing is left behind."""
    with database.session("milepost schema") as session, session.rehearsal():
        before = _catalogue(session)
        held = rights(session, target)
        _run(session, manifest, target, roles)
        changes = [
            f"{'replace' if name in before else 'create'} {name}"
            for name, state in _catalogue(session).items()
            if before.get(name) != state
        ]
        changes += [right for right in rights(session, target) if right not in held]
    return changes


def apply(database: Database, manifest: Manifest, target: Target, roles: bool = False) -> None:
    """Create what does not exist yet; also, if asked, the roles of who owns, runs, loads and reads.
    A second run changes nothing.
    """
    with database.session("milepost schema") as session, session.transaction():
        _run(session, manifest, target, roles)


def _run(session: Session, manifest: Manifest, target: Target, roles: bool) -> None:
    composer = Composer(manifest, target, {})
    for name in FIRST:
        if not _belongs_to_others(session, manifest, name):
            run_pieces(session, composer.layer(name))
    _create_replicas(session, manifest)
    scripts = order(manifest)
    for layer in LAYERS:
        if layer not in FIRST:
            run_pieces(session, composer.layer(layer))
        for script in scripts:
            if script.layer == layer:
                _define(session, composer, script)
    if roles:
        create_roles(session, composer)
    hand_over(session, target)


def _define(session: Session, composer: Composer, script: Script) -> None:
    """Create the tables of a script. One of another shape stays: the next build reshapes it."""
    try:
        with session.savepoint():
            run_pieces(session, composer.definitions(script))
    except QueryFailed as error:
        known = [table for table in composer.target.tables(script) if columns(session, table)]
        if error.sqlstate not in (UNDEFINED_COLUMN, OTHER_KIND) or not (known or script.is_view):
            raise


def _belongs_to_others(session: Session, manifest: Manifest, name: str) -> bool:
    """Tell whether a file creates tables that exist and belong to somebody else: those stay."""
    tables = tables_of(manifest.project, name)
    return bool(session.named("setup/schema.foreign", tables=tables)[0]["found"])


def _create_replicas(session: Session, manifest: Manifest) -> None:
    """Create replicas. They have the columns of their sources, so no file defines them."""
    for pipeline in pipelines(session):
        definition = read_definition(session, pipeline["pipeline_id"])
        if exists(session, definition.source_relation):
            ensure_replica(session, definition, manifest.project)


def _catalogue(session: Session) -> dict[str, str]:
    rows = session.named("setup/schema.catalogue")
    return {row["name"]: row["state"] for row in rows}
