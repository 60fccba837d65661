"""Reads the catalogue and the ledger: the columns, keys, comments, rows and builds of tables."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from runner.database.queries import queries
from runner.database.session import Row, Session
from runner.project.files import tables_of
from runner.project.manifest import LAYERS, Manifest

LEDGER = "orchestrator"
# Smaller tables are counted; for others the page gives the server's estimate, in two digits.
SMALL_BYTES = 32 * 1024 * 1024
# What kind of table it is, by the beginning of its name.
DIMENSION, REPLICA = "dim_", "raw_"
PREFIXES = {REPLICA: "replica", "fact_": "fact", DIMENSION: "dimension", "agg_": "aggregate"}


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view, with its columns and constraints as catalogue.sql has them."""

    name: str
    schema: str
    kind: str
    comment: str
    columns: Sequence[Row]
    constraints: Sequence[Row]  # of kind p (primary key), u, f, x or c
    indexes: Sequence[Sequence[str]]
    rows: str  # a number in words, or empty if unknown

    @property
    def short(self) -> str:
        """Its name without the schema."""
        return self.name.removeprefix(f"{self.schema}.")

    @property
    def key(self) -> tuple[str, ...]:
        """Columns of its primary key or, without one, of its first unique constraint."""
        keys = [rule["columns"] for rule in self.constraints if rule["kind"] in "pu"]
        return tuple(keys[0]) if keys else ()


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns of one table whose values are the whole key of another."""

    table: str
    columns: tuple[str, ...]
    to: str
    to_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The tables of a database in one snapshot.

    `built` has the last build of each script, and `checks` the last result of each check.
    """

    database: str
    tables: list[Relation]
    pipelines: list[Row]
    built: Mapping[str, Row]
    checks: Mapping[str, Row]

    @property
    def references(self) -> list[Reference]:
        """How tables refer to each other: by declared foreign keys, and by name.

        Keys are natural, so few foreign keys are declared. Columns with the names of the whole key
        of a dimension, or else of a replica, refer to it.
        """
        members: dict[tuple[str, ...], list[Relation]] = defaultdict(list)
        for prefix in (DIMENSION, REPLICA):
            for table in self.tables:
                if table.schema in LAYERS and table.short.startswith(prefix) and table.key:
                    members[table.key].append(table)
        found: list[Reference] = []
        for table in self.tables:
            for rule in (each for each in table.constraints if each["kind"] == "f"):
                columns, others = tuple(rule["columns"]), tuple(rule["referenced_columns"])
                found.append(Reference(table.name, columns, rule["referenced"], others))
            found += _by_name(table, members)
        return found


def read(session: Session, manifest: Manifest) -> Catalogue:
    """Read the tables of all layers and of the sources, with the last builds and checks."""
    named = queries("pages/docs/catalogue.sql")
    pipelines = session.rows(named["pipelines"])
    values = {
        "schemas": [*LAYERS, LEDGER],
        "names": [*(row["source"] for row in pipelines), *tables_of(manifest.project, "source")],
        "small": SMALL_BYTES,
    }
    checks = session.named("database/ledger.checks", target="live")
    return Catalogue(
        session.row("select current_database() as name")["name"],
        [
            Relation(rows=_rows(session, row.pop("count"), row.pop("about_rows")), **row)
            for row in session.rows(named["relations"], values)
        ],
        pipelines,
        {row["script"]: row for row in session.rows(named["built"])},
        {row["check"]: row for row in checks},
    )


def family(table: str) -> str:
    """Return the kind of a table, which follows from its name."""
    schema, _, short = table.partition(".")
    if schema == "reporting":
        return "report"
    if schema not in LAYERS:
        return "ledger" if schema == LEDGER else "source"
    return next((kind for prefix, kind in PREFIXES.items() if short.startswith(prefix)), "event")


def _by_name(
    table: Relation, members: Mapping[tuple[str, ...], list[Relation]]
) -> Iterator[Reference]:
    # Replicas refer to nothing: dimensions are made from them.
    if table.schema not in LAYERS or table.short.startswith(REPLICA):
        return
    names = {column["name"] for column in table.columns}
    for key, candidates in members.items():
        after = candidates.index(table) + 1 if table in candidates else 0
        if names.issuperset(key) and candidates[after:]:
            yield Reference(table.name, key, candidates[after].name, key)


def _rows(session: Session, count: str | None, about_rows: float) -> str:
    """Return the number of rows: counted, or the server's estimate in two digits."""
    if count:
        return f"{session.value(count):,}"
    about = float(f"{about_rows:.1e}")
    return f"about {about:,.0f}" if about else ""
