"""What `diff` and `verify` say of rows that differ, against a comparison of the values in Python."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import strategies as st

from runner.build.changes import difference_queries, publish_difference
from runner.cli.commands.diff import _difference
from runner.compare.diff import Difference, _compare_rows
from runner.database.session import Database, Session
from tests.support import query
from tests.support.commands import command
from tests.support.sweeps import with_examples

NUMBERS = st.decimals(
    min_value=Decimal("-1e20"), max_value=Decimal("1e20"), allow_nan=False, allow_infinity=False
)
ROWS = st.dictionaries(
    st.integers(0, 12),
    st.tuples(NUMBERS, st.sampled_from(["30 days", "1 month", "31 days"]), st.text("ab")),
    max_size=6,
)
DAYS = {"30 days": 30, "1 month": 30, "31 days": 31}  # as intervals compare


def compared(database: Database, one: Any, other: Any, key: str = "primary key") -> Difference:
    with database.session("test") as session, session.rehearsal():
        session.run("create schema a; create schema b")
        for schema, rows in (("a", one), ("b", other)):
            session.run(
                f"create table {schema}.t (id numeric {key}, n numeric, i interval, s text)"
            )
            for id_, (number, interval, text) in rows.items():
                session.rows(
                    f"insert into {schema}.t values (%(a)s::int, %(b)s, %(c)s::interval, %(d)s)",
                    {"a": id_, "b": number, "c": interval, "d": text},
                )
        return _compare_rows(session, "a.t", ("a.t", "b.t"))


@with_examples(20, 60, one=ROWS, other=ROWS, share=ROWS)
def test_the_columns_that_differ_are_those_whose_values_do(
    empty_database: Database, one: Any, other: Any, share: Any
) -> None:
    one, other = {**one, **share}, {**other, **share}
    found = compared(empty_database, one, other)
    wanted = {}
    for id_ in one.keys() & other.keys():
        (n, i, s), (m, j, t) = one[id_], other[id_]
        names = [c for c, x in (("n", n != m), ("i", DAYS[i] != DAYS[j]), ("s", s != t)) if x]
        if names:
            wanted[str(id_)] = names
    assert found.only_left == len(one.keys() - other.keys())
    assert found.only_right == len(other.keys() - one.keys())
    assert found.changed == len(wanted)
    for row in found.sample:
        if row["changed"] is None:
            continue
        assert row["changed"] == wanted[row["key"]["id"]]
        id_ = int(row["key"]["id"])
        assert Decimal(row["left"]["n"]) == one[id_][0]  # every digit of it
        assert Decimal(row["right"]["n"]) == other[id_][0]
        assert " -> " in _difference(row, "live", "rebuilt")


def test_a_difference_beyond_what_a_float_holds_is_shown(empty_database: Database) -> None:
    small = Decimal("0.10000000000000000001"), "30 days", "a"
    found = compared(empty_database, {1: small}, {1: (Decimal("0.1"), *small[1:])})
    assert _difference(found.sample[0], "live", "rebuilt") == "1: n 0.10000000000000000001 -> 0.1"


@pytest.mark.parametrize("key", ["primary key", ""])
def test_other_trailing_zeros_are_no_difference(empty_database: Database, key: str) -> None:
    one, other = Decimal("1.0"), Decimal("1.000")
    assert compared(
        empty_database, {1: (one, "30 days", "a")}, {1: (other, "1 month", "a")}, key
    ).is_same
    found = compared(empty_database, {1: (one, "30 days", "a")}, {1: (other, "1 month", "b")}, key)
    assert found.sample[0]["changed"] == (["s"] if key else None)


def test_rows_without_a_key_are_on_one_side(empty_database: Database) -> None:
    row = Decimal(1), "30 days", "a"
    found = compared(empty_database, {1: row}, {1: row, 2: row}, key="")
    assert (found.only_left, found.only_right, found.changed) == (0, 1, 0)


# Values of types, each different from the others. Most have no equality, or no order.
VALUES = {
    "json": ['{"a": 1}', '{"a":1}', '{"a": 1, "a": 2}', "null", r'"\u0000"'],
    "point": ["(0,0)", "(0.1,0)", "(0.1,0.30000000000000004)", "(NaN,Infinity)"],
    "box": ["(1,1),(0,0)", "(2,0.5),(0,0)"],  # of the same area
    "lseg": ["[(0,0),(1,1)]", "[(0,0),(1,2)]"],
    "line": ["{1,2,3}", "{1,2,4}"],
    "path": ["((0,0),(1,1))", "[(0,0),(1,1)]"],
    "polygon": ["((0,0),(1,1))", "((0,0),(1,1),(2,0))"],
    "circle": ["<(0,0),1>", "<(1,0),1>"],
    "xid": ["1", "2"],
    "jsonpath": ['$."a"', '$."b"'],
    "pg_snapshot": ["10:20:", "10:20:10"],
    "json[]": ["{}", "{1}", '{"{\\"a\\": 1}"}', "[0:0]={1}"],
    "point[]": ['{"(0,0)"}', '{"(0,1)"}'],
    "a.document": ["1", "[1]"],
    "a.pair": ["(1,1)", "(1,2)", "(1,)"],
    "a.pair[]": ['{"(1,1)"}', '{"(1,2)"}'],
    "jsonb": ["1", "[1]"],
    "numeric": ["1", "2", "NaN"],
    "text": ["", "a"],
    "name": ["a", "b"],
    "character varying(9)": ["a", "b"],
    "int4range": ["empty", "[1,3)"],
    "int4multirange": ["{}", "{[1,3)}"],
    "a.mood": ["good", "bad"],
    "bytea": [r"\x", r"\x00"],
    "cidr": ["10.0.0.0/8", "10.0.0.0/9"],
    "regtype": ["integer", "text"],
    "tsquery": ["'a'", "'b'"],
    "oidvector": ["1 2", "1 3"],
    "aclitem": ["postgres=r/postgres", "postgres=w/postgres"],
}
TYPES = """
create schema a; create schema b; create domain a.document as json;
create type a.pair as (one int, two json); create type a.mood as enum ('good', 'bad');
"""


def make(session: Session, schema: str, kinds: Sequence[str], rows: Any, key: str) -> None:
    columns = "".join(f", c{place} {kind}" for place, kind in enumerate(kinds))
    session.run(f"create table {schema}.t (id int {key}{columns})")
    for id_, values in rows.items():
        session.copy_rows(f"copy {schema}.t from stdin", [(id_, *values)])


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], Any, Any]:
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    values = st.tuples(*(st.sampled_from([None, *VALUES[kind]]) for kind in kinds))
    rows = st.dictionaries(st.integers(0, 6), values, max_size=5)
    one, other, share = draw(rows), draw(rows), draw(rows)
    return kinds, {**one, **share}, {**other, **share}


@with_examples(20, 60, drawn=tables(), key=st.sampled_from(["primary key", ""]))
def test_values_of_any_type_are_compared(empty_database: Database, drawn: Any, key: str) -> None:
    kinds, one, other = drawn
    with empty_database.session("test") as session, session.rehearsal():
        session.run(TYPES)
        for schema, rows in (("a", one), ("b", other)):
            make(session, schema, kinds, rows, key)
        found = _compare_rows(session, "a.t", ("a.t", "b.t"))
    changed = {id_ for id_ in one.keys() & other.keys() if one[id_] != other[id_]}
    if not key:
        assert found.only_left == len(one.keys() - other.keys()) + len(changed)
        assert found.only_right == len(other.keys() - one.keys()) + len(changed)
        return
    assert found.changed == len(changed)
    for place in range(len(kinds)):
        differing = [id_ for id_ in changed if one[id_][place] != other[id_][place]]
        assert found.columns.get(f"c{place}", 0) == len(differing)
    for row in found.sample:
        for side, rows in (("left", one), ("right", other)):
            if row[side]:
                shown = tuple(row[side][f"c{place}"] for place in range(len(kinds)))
                assert shown == rows[int(row["key"]["id"])]


@with_examples(15, 40, drawn=tables())
def test_values_of_any_type_are_published(empty_database: Database, drawn: Any) -> None:
    kinds, live, fresh = drawn
    with empty_database.session("test") as session, session.rehearsal():
        session.run(TYPES)
        for schema, rows in (("a", live), ("b", fresh)):
            make(session, schema, kinds, rows, "primary key")
        rows = difference_queries(session, "a.t", "b.t")
        added = session.value(f"select count(*) from {rows.added} as rows")
        session.run(publish_difference(session, "a.t", "b.t", rows))
        texts = ", ".join(f"c{place}::text" for place in range(len(kinds)))
        found = {
            row["id"]: tuple(row["texts"])
            for row in session.rows(f"select id, array[{texts}] as texts from a.t")
        }
    assert found == fresh
    assert added == sum(live.get(id_) != values for id_, values in fresh.items())


def test_verify_shows_the_values(built: Database) -> None:
    query(built, "update warehouse.agg_user_daily set miles_earned = miles_earned + 1e-18"
          " where ctid = (select min(ctid) from warehouse.agg_user_daily)")  # fmt: skip
    done = command("verify", database=built)
    assert done.returncode == 1
    assert "000000000000001 -> " in done.stdout
