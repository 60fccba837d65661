"""What a run replaced is kept, and given back byte for byte: whatever its type, whatever came or
went meanwhile, and whatever its key thinks of equality.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ingest_faults.arena import Arena
from tests.support.sweeps import slow_but

TYPES = r"""
create type fire.mood as enum ('sad', 'it''s "fine"', 'a,b');
create domain fire.positive as int check (value > 0);
create domain fire.document as json;
create domain fire.word as text;
create type fire.pair as (a int, b text, "c d" json);
create type fire.nest as (one fire.pair, many fire.pair[], mood fire.mood);
"""

# What a server may have, or not: libraries and contributed modules.
EXTRAS = (
    "create collation fire.no_case"
    " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
    "create extension hstore",
    "create extension citext",
    "create type fire.cased as (word citext, number int)",
)

# For each type values as people write them; null is one of every type.
VALUES: dict[str, tuple[str, ...]] = {
    "boolean": ("true", "false"),
    '"char"': ("'a'", "''"),
    "name": ("'a name'", "''"),
    "smallint": ("-32768", "7"),
    "integer": ("2147483647", "0"),
    "bigint": ("-9223372036854775808", "9007199254740993"),
    "oid": ("4294967295", "0"),
    "real": ("'-0'", "'NaN'", "1e-40", "16777217", "'-Infinity'", "0.1"),
    "double precision": ("'-0'", "'NaN'", "5e-324", "1.7976931348623157e308", "0.1", "'Infinity'"),
    "numeric": ("1.00", "1.0", "'NaN'", "'Infinity'", "1e300", "0.000", "-0.50", "1e-300"),
    "numeric(10,2)": ("1.00", "12345678.90"),
    "money": ("'12.34'", "'-92233720368547758.08'"),
    "text": (
        "''",
        "' a '",
        "'null'",
        r"'\u0000'",
        "'\"q\"'",
        "E'a\\tb\\nc'",
        "'ÄÖß€😀'",
        "repeat('x', 9000)",
    ),
    "varchar(20)": ("'a  '", "'null'"),
    "char(5)": ("'ab'", "''"),
    "bpchar": ("'ab   '", "'ab'"),
    "bytea": (r"'\x00ff5c27'", r"'\x'"),
    "date": ("'2026-02-28'", "'0044-03-15 BC'", "'infinity'", "'-infinity'", "'5874897-12-31'"),
    "time": ("'24:00'", "'00:00:00.000001'"),
    "time(0)": ("'12:00:01'", "'00:00'"),
    "timetz": ("'12:00:00.5+05:30'", "'12:00-15:59:59'"),
    "timestamp": ("'0044-03-15 01:02:03 BC'", "'infinity'", "'294276-12-31 23:59:59.999999'"),
    "timestamptz": (
        "'0044-03-15 01:02:03 BC'",
        "'-infinity'",
        "'2026-01-01 00:00:00.000001+05:45'",
    ),
    "interval": ("'1 day'", "'24 hours'", "'-1 year 2 months -3 days 04:05:06.7'", "'30 days'"),
    "uuid": ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",),
    "json": (
        r"""'{"a": "\u0000", "a": 1,  "b": 1.00}'""",
        "'null'",
        "'\"text\"'",
        "'1e999999'",
        "' [1,  2] '",
        r"""'"\\u0000"'""",
        r"""'"\\\u0000\u0000\ud83d\ude00"'""",
    ),
    "jsonb": ("'null'", "'\"null\"'", '\'{"a": [null, 1.00, {"b": null}]}\'', "'[]'", "'7.0'"),
    "inet": ("'10.0.0.1'", "'10.0.0.1/8'", "'::ffff:1.2.3.4'"),
    "cidr": ("'10.0.0.0/8'",),
    "macaddr": ("'08:00:2b:01:02:03'",),
    "macaddr8": ("'08:00:2b:01:02:03:04:05'",),
    "bit(3)": ("b'101'",),
    "varbit": ("b''", "b'1011'"),
    "point": ("'(0.1,-0)'", "'(NaN,Infinity)'"),
    "line": ("'{1,-0.1,3}'",),
    "lseg": ("'[(0,0),(0.1,1)]'",),
    "box": ("'(1,1),(0.1,0)'",),
    "path": ("'[(0,0),(1,0.1)]'", "'((0,0),(1,1))'"),
    "polygon": ("'((0,0),(1,0.1),(1,1))'",),
    "circle": ("'<(0.1,0),2>'",),
    "tsvector": ("'a:1A b:2'", "''"),
    "tsquery": ("'a & !b'", "'a <-> b'"),
    "xml": ("'<a>  <b/></a>'", "'text, and <b/>'"),
    "jsonpath": ("'$.a[*] ? (@ > 1)'",),
    "pg_lsn": ("'16/B374D848'",),
    "xid8": ("'18446744073709551615'",),
    "pg_snapshot": ("'10:20:10,14,15'",),
    "regclass": ("'pg_class'", "'fire.goods'"),
    "regprocedure": ("'lower(text)'",),
    "regproc": ("(select min(oid) from pg_proc where proname = 'lower')::regproc", "'now'"),
    "int4range": ("'empty'", "'[1,5)'", "'(,)'"),
    "numrange": ("'[1.0,1.00]'", "'(,2.50)'"),
    "tstzrange": ("'[2026-01-01,infinity]'", "'empty'"),
    "int4multirange": ("'{}'", "'{[1,3),[5,7)}'"),
    "integer[]": ("'{}'", "'{1,null}'", "'[2:3]={1,2}'", "'[0:0][-1:0]={{1,2}}'"),
    "text[]": ('\'{"a,b","",null,"null","\\""}\'', "'[-1:0]={a,b}'"),
    "double precision[]": ("'{-0,NaN,0.1}'",),
    "json[]": (r"""array['{"a": "\u0000"}'::json, null, '{"a":1,"a":2}']""",),
    "numrange[]": ("'{\"[1.0,2)\",empty}'",),
    "fire.mood": ("'sad'", "'it''s \"fine\"'", "'a,b'"),
    "fire.mood[]": ("array['a,b', 'it''s \"fine\"', null]::fire.mood[]",),
    "fire.positive": ("5",),
    "fire.positive[]": ("'[3:4]={1,2}'",),
    "fire.document": (r"""'{"a": "\u0000"}'""", "'null'"),
    "fire.word": ("' a '",),
    "fire.pair": (
        "row(null, null, null)",
        r"""row(1, ' a,"b" ', '{"x": "\u0000"}')""",
        "'(,\"\",)'",
    ),
    "fire.pair[]": ("array[row(1, 'a', '1'), null]::fire.pair[]", "'[5:5]={\"(1,,)\"}'"),
    "fire.nest": (
        r"""row(row(1, 'b', '"\u0000"'), array[row(null, '', null)]::fire.pair[], 'sad')""",
    ),
    "text collate fire.no_case": ("'Ab'", "'aB'"),
    "citext": ("'Ab'", "'aB'"),
    "hstore": ("'a=>1, b=>null'", "''", '\'"a b"=>"null"\''),
    "citext[]": ("'[2:2]={Ab}'",),
}
# One of each kind, those first that JSON or text lose most of.
QUICK_TYPES = ("json", "double precision", "text", "bytea", "timestamptz", "int4multirange")
QUICK_TYPES += ("integer[]", "hstore", "fire.mood[]", "fire.nest")

# Keys whose type holds different values to be equal.
EQUALS: dict[str, tuple[str, str]] = {
    "citext": ("'Key'", "'kEY'"),
    "numeric": ("1.0", "1.00"),
    "text collate fire.no_case": ("'Key'", "'kEY'"),
    "double precision": ("'0'", "'-0'"),
    "bpchar": ("'a'", "'a  '"),
    "interval": ("'1 day'", "'24 hours'"),
    "numrange": ("'[1.0,2]'", "'[1.00,2.0]'"),
    "numeric[]": ("'{1.0}'", "'{1.00}'"),
    "timetz": ("'12:00+00'", "'12:00+00'"),
    "fire.cased": ("row('Key', 1)", "row('kEY', 1)"),
}
QUICK_KEYS = ("citext", "numeric", "double precision", "fire.cased")

SETTINGS = settings(
    max_examples=12,
    deadline=None,
    database=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def things(arena: Arena) -> Arena:
    """A pipeline of fire.things, which each example makes anew."""
    arena.make("upsert", source_relation="fire.things", on_delete="apply")
    arena.run_text(TYPES)
    for text in EXTRAS:
        can(arena, text)
    return arena


def known(arena: Arena, type_name: str) -> bool:
    """Whether the server has a type: an extension may be missing, or a library."""
    if type_name == "xml":  # a type of every server, which not every one can read
        return can(arena, "select '<a/>'::xml")
    return can(arena, f"create temporary table tried (value {type_name}); drop table tried")


def can(arena: Arena, text: str) -> bool:
    try:
        arena.run_text(text)
    except psycopg.Error:
        return False
    return True


def fresh(arena: Arena, key: str, columns: dict[str, str]) -> None:
    """Table fire.things without rows, and nothing that remembers another."""
    arena.run_text(
        "drop table if exists fire.things; drop table if exists warehouse.raw_things;"
        " drop table if exists fire.former; truncate orchestrator.runs, orchestrator.replaced_rows,"
        " orchestrator.rejected_rows, orchestrator.build_inputs, orchestrator.built_scripts cascade"
    )
    text = ", ".join(f"{name} {type_name}" for name, type_name in columns.items())
    arena.run_text(
        f"create table fire.things (id {key} primary key, written timestamptz"
        + (f", {text})" if text else ")")
    )
    arena.set_clock("2026-01-01 00:00:00+00")


def remember(arena: Arena) -> None:
    """The replica as it is now, but for who brought its rows."""
    arena.run_text("create table fire.former as table warehouse.raw_things")


def assert_given_back(arena: Arena) -> None:
    """Every row as it was, byte for byte, in the columns that there were."""
    names = ", ".join(
        f'"{name}"'
        for (name,) in arena.all(
            "select attname from pg_attribute where attrelid = 'fire.former'::regclass"
            " and attnum > 0 and attname <> '_run_id'"
        )
    )
    replica, former = (
        f"(select row(r.*)::record as image, r::text as text from (select {names} from {table}) as r)"
        for table in ("warehouse.raw_things", "fire.former")
    )
    for one, other in ((replica, former), (former, replica)):
        lost = arena.all(
            f"select one.text from {one} as one where not exists"
            f" (select from {other} as other where other.image *= one.image)"
        )
        assert lost == []


def undo_last(arena: Arena, kind: str) -> None:
    run_id = arena.one(
        "select max(run_id) from orchestrator.runs where kind = %s and status = 'succeeded'"
        " and rows_inserted + rows_updated + rows_deleted > 0",
        kind,
    )
    arena.pipeline.undo(run_id)


columns_of_a_row = st.lists(
    st.sampled_from(sorted(VALUES)).flatmap(
        lambda name: st.tuples(
            st.just(name),
            st.sampled_from((*VALUES[name], "null")),
            st.sampled_from((*VALUES[name], "null")),
        )
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.slow
@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize("way", ["window", "reconcile"])
def test_what_is_replaced_comes_back_byte_for_byte(things: Arena, way: str) -> None:
    @SETTINGS
    @given(columns=columns_of_a_row, meanwhile=st.sampled_from(["nothing", "came", "went"]))
    def story(columns: list[tuple[str, str, str]], meanwhile: str) -> None:
        columns = [column for column in columns if known(things, column[0])]
        fresh(things, "int", {f'"C {n}"': column[0] for n, column in enumerate(columns)})
        values = [
            ", ".join(["1", "'2025-12-31'", *(column[which] for column in columns)])
            for which in (1, 2)
        ]
        things.run_text(f"insert into fire.things values ({values[0]})")
        things.ingest()
        assert things.one("select count(*) from orchestrator.rejected_rows") == 0
        remember(things)
        things.run_text("delete from fire.things")
        if way == "window":
            things.run_text(f"insert into fire.things values ({values[1]})")
            things.run_text("update fire.things set written = '2026-01-01 01:00:00+00'")
            things.set_clock("2026-01-01 02:00:00+00")
            things.ingest()
        else:
            things.pipeline.reconcile(force=True)
        assert things.one("select count(*) from orchestrator.rejected_rows") == 0
        assert things.one("select count(*) from orchestrator.replaced_rows") == 1
        change(things, meanwhile, len(columns))
        undo_last(things, way)
        assert_given_back(things)

    story()


def change(arena: Arena, what: str, columns: int) -> None:
    """A column comes or goes, and the replica has heard of it."""
    if what == "nothing" or not columns:
        return
    text = "add column new json" if what == "came" else 'drop column "C 0"'
    arena.run_text(f"alter table fire.things {text}")
    arena.ingest()


@pytest.mark.parametrize("type_name", slow_but(sorted(VALUES), *QUICK_TYPES))
def test_every_type_is_kept_and_given_back(things: Arena, type_name: str) -> None:
    if not known(things, type_name):
        pytest.skip(f"this server has no {type_name}")
    fresh(things, "int", {"c": type_name})
    values = (*VALUES[type_name], "null")
    rows = ", ".join(f"({n}, '2025-12-31', {value})" for n, value in enumerate(values))
    things.run_text(f"insert into fire.things values {rows}")
    things.ingest()
    remember(things)
    things.run_text("update fire.things set c = null, written = '2026-01-01 01:00:00+00'")
    things.set_clock("2026-01-01 02:00:00+00")
    things.ingest()
    assert things.one("select count(*) from orchestrator.rejected_rows") == 0
    undo_last(things, "window")
    assert_given_back(things)


@pytest.mark.parametrize("type_name", slow_but(sorted(EQUALS), *QUICK_KEYS))
def test_keys_are_the_same_where_their_type_says_so(things: Arena, type_name: str) -> None:
    if not known(things, type_name):
        pytest.skip(f"this server has no {type_name}")
    fresh(things, type_name, {"value": "text"})
    one, other = EQUALS[type_name]
    things.run_text(f"insert into fire.things values ({one}, '2025-12-31', 'before')")
    things.ingest()
    remember(things)
    things.run_text(
        f"update fire.things set id = {other}, value = 'after', written = '2026-01-01 01:00+00'"
    )
    things.set_clock("2026-01-01 02:00:00+00")
    things.ingest()
    assert things.one("select count(*) from warehouse.raw_things") == 1
    (undone,) = things.pipeline.undo(
        things.one("select max(run_id) from orchestrator.runs where rows_updated > 0")
    )
    assert (undone.counts.updated, undone.counts.deleted, undone.counts.inserted) == (1, 0, 0)
    assert not undone.notes
    assert_given_back(things)


@pytest.mark.parametrize("type_name", slow_but(sorted(EQUALS), *QUICK_KEYS))
def test_a_row_that_waits_is_settled_by_one_of_an_equal_key(things: Arena, type_name: str) -> None:
    if not known(things, type_name):
        pytest.skip(f"this server has no {type_name}")
    fresh(things, type_name, {"value": "text"})
    things.define(column_types='{"value": "integer"}')
    one, other = EQUALS[type_name]
    things.run_text(f"insert into fire.things values ({one}, '2025-12-31', 'no number')")
    things.ingest()
    waiting = "select count(*) from orchestrator.rejected_rows where resolved_run_id is null"
    assert things.one(waiting) == 1
    things.run_text(
        f"update fire.things set id = {other}, value = '7', written = '2026-01-01 01:00+00'"
    )
    things.set_clock("2026-01-01 02:00:00+00")
    things.ingest()
    assert things.one(waiting) == 0


def test_a_clean_row_comes_in_though_the_one_before_it_had_a_null_byte(things: Arena) -> None:
    fresh(things, "int", {"payload": "json"})
    things.run_text(r"""insert into fire.things values (1, '2025-12-31', '{"a": "\u0000"}')""")
    things.ingest()
    things.run_text("update fire.things set payload = '{}', written = '2026-01-01 01:00+00'")
    things.set_clock("2026-01-01 02:00:00+00")
    things.ingest()
    assert things.one("select payload::text from warehouse.raw_things") == "{}"
    assert things.one("select count(*) from orchestrator.rejected_rows") == 0


def test_a_row_that_cannot_be_stored_is_set_aside_whatever_it_holds(things: Arena) -> None:
    fresh(things, "int", {"payload": "json", "_row_number": "text"})
    things.define(column_types='{"_row_number": "integer"}')
    things.run_text(
        r"""insert into fire.things values (1, '2025-12-31', '{"a": "\u0000"}', 'no number')"""
    )
    things.ingest()
    kept: dict[str, Any] = things.one("select source_row from orchestrator.rejected_rows")
    assert kept["_row_number"] == "no number"


def test_images_of_an_earlier_version_are_still_given_back(things: Arena) -> None:
    """Before, the whole row was kept as JSON alone."""
    fresh(things, "int", {"numbers": "int[]", "payload": "jsonb", "word": "text"})
    things.run_text(
        "insert into fire.things values (1, '2025-12-31', '{1,2}', '{\"a\": null}', 'w')"
    )
    things.ingest()
    remember(things)
    things.run_text(
        "update fire.things set numbers = null, payload = 'null', word = null,"
        " written = '2026-01-01 01:00+00'"
    )
    things.set_clock("2026-01-01 02:00:00+00")
    things.ingest()
    things.run_text(
        "update orchestrator.replaced_rows set old_texts = null,"
        " old_row = (select to_jsonb(former.*) from fire.former as former)"
    )
    undo_last(things, "window")
    assert_given_back(things)


def test_a_replica_whose_key_has_another_collation_promises_less(things: Arena) -> None:
    """As an earlier version made it."""
    if not known(things, "text collate fire.no_case"):
        pytest.skip("this server has no such collation")
    fresh(things, "text collate fire.no_case", {"value": "text"})
    things.run_text("insert into fire.things values ('Key', '2025-12-31', 'before')")
    assert {run.guarantee for run in things.ingest()} == {"exact"}
    things.run_text('alter table warehouse.raw_things alter id type text collate "default"')
    assert {run.guarantee for run in things.ingest()} == {"best_effort"}
