"""Which columns a column is made from, of queries small enough to say so by hand."""

from __future__ import annotations

import pytest
import sqlglot

from runner.pages.docs.functions import functions
from runner.pages.docs.queries import QueryReader

TABLES = {"a.t": ["x", "y", "k"], "a.u": ["k", "z"]}
FUNCTIONS = """
create or replace function a.double(value int) returns int
language sql immutable
return value * 2;

create or replace function a.newest() returns int
language sql stable
as $$ select max(t.x) from a.t as t $$;

create or replace function a.pairs(one text, other text default 'b')
returns table (name text, value text)
language sql immutable
as $$
    select pairs.name, pairs.value
    from (values ('one', one), ('other', other)) as pairs (name, value)
$$;
"""


def origins(text: str) -> tuple[dict[str, str], set[str]]:
    """By column, what it is made from and what of that is unknown, as one text each."""
    reader = QueryReader(TABLES, functions(FUNCTIONS, TABLES))
    relation = reader.query(sqlglot.parse_one(text, dialect="postgres"))
    found = {
        name: " ".join(
            [*sorted(f"{table}.{column}" for table, column in origin.columns),
             *(f"? {reason}" for reason in sorted(origin.unknown))]
        )
        for name, origin in relation.columns.items()
    }  # fmt: skip
    return found, {f"{table}.{column}" for table, column in reader.touched}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select x from a.t", {"x": "a.t.x"}),
        ("select t.x + y as s, 1 as one from a.t as t", {"s": "a.t.x a.t.y", "one": ""}),
        ("select * from a.t", {"x": "a.t.x", "y": "a.t.y", "k": "a.t.k"}),
        ("with c (p) as (select x from a.t) select p as q from c", {"q": "a.t.x"}),
        ("select x from a.t union all select z from a.u", {"x": "a.t.x a.u.z"}),
        ("select s.v from (select y as v from a.t) as s", {"v": "a.t.y"}),
        ("select k, z from a.t join a.u using (k)", {"k": "a.t.k a.u.k", "z": "a.u.z"}),
        ("select count(*) as n from a.t", {"n": "a.t.*"}),
        ("select count(*) filter (where x > 0) as n from a.t", {"n": "a.t.* a.t.x"}),
        ("select sum(x) over w as s from a.t window w as (order by k)", {"s": "a.t.k a.t.x"}),
        ("select (select max(z) from a.u where u.k = t.k) as m from a.t as t", {"m": "a.u.z"}),
        ("select exists (select from a.u where u.k = t.k) as e from a.t as t", {"e": "a.t.k a.u.k"}),
        ("select l.v from a.t, lateral (select z as v from a.u where u.k = t.k) as l", {"v": "a.u.z"}),
        ("select v from a.t, unnest(array[x, y]) as e (v)", {"v": "a.t.x a.t.y"}),
        ("select v, n from a.t, unnest(array[x]) with ordinality as e (v, n)", {"v": "a.t.x", "n": ""}),
        ("select p, q from a.t, lateral (values (x, 1), (y, 2)) as v (p, q)", {"p": "a.t.x a.t.y", "q": ""}),
        (
            "with recursive r (p, q) as (select x, 1 from a.t union all select z, p from a.u, r)"
            " select p, q from r",
            {"p": "a.t.x a.u.z", "q": "a.t.x a.u.z"},
        ),
        ("select a.double(x) as d from a.t", {"d": "a.t.x"}),
        ("select name, value from a.t cross join lateral a.pairs(x, y)", {"name": "", "value": "a.t.x a.t.y"}),
    ],
)  # fmt: skip
def test_a_column_is_made_from(text: str, expected: dict[str, str]) -> None:
    assert origins(text)[0] == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("select w from a.t", "where w comes from"),
        ("select t.w from a.t as t", "where t.w comes from"),
        ("select v from b.unknown", "where v comes from"),
        ("select v from a.t, b.unknown", "where v comes from"),
        ("select a.newest() as v", "what a.newest() reads"),
        ("select a.missing(x) as v from a.t", "what a.missing() reads"),
        ("select v from a.elsewhere() as e", "where v comes from"),
        ("select v from a.elsewhere() as e (v)", "what a.elsewhere() reads"),
        ("select x as v from a.t union all select x, y from a.t", "whose columns are not known"),
    ],
)
def test_what_cannot_be_told_is_unknown_and_not_guessed(text: str, reason: str) -> None:
    found, _ = origins(text)
    assert any(f"? {reason}" in said or reason in said for said in found.values()), found
    assert all("?" in said for said in found.values()), found


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("select 1 from a.t where x > 0 order by y", {"a.t.x", "a.t.y"}),
        ("select x from a.t join a.u on t.k = u.k and u.z > 1", {"a.t.x", "a.t.k", "a.u.k", "a.u.z"}),
        ("select x as k2 from a.t group by x, k having min(y) > 0", {"a.t.x", "a.t.k", "a.t.y"}),
        ("select x from a.t order by x", {"a.t.x"}),
        ("select y as x2 from a.t order by x2", {"a.t.y"}),
    ],
)  # fmt: skip
def test_what_chooses_rows_is_read_too(text: str, read: set[str]) -> None:
    assert origins(text)[1] == read


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("insert into b.v (p, q) select x, k from a.t", [("b.v", {"p": "x", "q": "k"})]),
        ("update b.v set p = t.y from a.t as t where t.k = v.k", [("b.v", {"p": "y"})]),
        (
            "with done as (insert into b.w (r) select y from a.t returning r as s)"
            " insert into b.v (p) select s from done",
            [("b.w", {"r": "y"}), ("b.v", {"p": "y"})],
        ),
    ],
)
def test_statements_make_columns(text: str, made: list[tuple[str, dict[str, str]]]) -> None:
    reader = QueryReader({**TABLES, "b.v": ["p", "q", "k"], "b.w": ["r"]}, {})
    reader.change(sqlglot.parse_one(text, dialect="postgres"))
    assert [
        (
            table,
            {name: " ".join(each for _, each in origin.columns) for name, origin in one.items()},
        )
        for table, one in reader.made
    ] == made
