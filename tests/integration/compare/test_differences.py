"""What `diff` and `verify` say of rows that differ, against a comparison of the values in Python."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.cli.rooms.diff import _difference
from runner.compare.diff import Difference, _compare_rows
from runner.database.session import Database
from tests.support import query
from tests.support.commands import command

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


@settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)  # fmt: skip
@given(one=ROWS, other=ROWS, share=ROWS)
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


def test_verify_shows_the_values(built: Database) -> None:
    query(built, "update warehouse.agg_user_daily set miles_earned = miles_earned + 1e-18"
          " where ctid = (select min(ctid) from warehouse.agg_user_daily)")  # fmt: skip
    done = command("verify", database=built)
    assert done.returncode == 1
    assert "000000000000001 -> " in done.stdout
    assert json.loads(command("verify", "--json", database=built).stdout)["differences"]
