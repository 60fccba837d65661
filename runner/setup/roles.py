"""The roles of `schema apply --roles`: who owns, runs, loads and reads. Queries: roles.sql."""

from runner.build.compose import Composer, run_pieces
from runner.database.session import QueryFailed, Session
from runner.errors import StartError
from runner.project.files import tables_of
from runner.project.target import Target

INSUFFICIENT_PRIVILEGE, NAME_TOO_LONG = "42501", "42622"


def create_roles(session: Session, composer: Composer) -> None:
    """Create the roles and grant what they need. StartError if this role lacks the right to."""
    try:
        run_pieces(session, composer.layer("roles"))
    except QueryFailed as error:
        if not error.is_one_of(INSUFFICIENT_PRIVILEGE, NAME_TOO_LONG):
            raise
        raise StartError(error.reason, error.hint) from error
    sources = tables_of(composer.manifest.project, "source")
    _run(session, "sources", sources=sources)


def hand_over(session: Session, target: Target) -> None:
    """Make the runner's role, if there is one, the owner of all schemas and what they contain, also
    of tables that a newer version of Milepost has added.
    """
    _run(session, "handover", schemas=["orchestrator", *target.schemas])


def rights(session: Session, target: Target) -> list[str]:
    """Return what the roles of this database own and may do, one sentence each."""
    rows = session.named("setup/roles.rights", schemas=["orchestrator", *target.schemas])
    return [row["right"] for row in rows]


def _run(session: Session, query: str, **values: list[str]) -> None:
    for row in session.named(f"setup/roles.{query}", **values):
        session.run(row["statement"])
