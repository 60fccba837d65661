"""`lint` finds the SQL that Citus refuses, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.project.manifest import load
from runner.testing.distributed import problems
from runner.testing.lint import lint
from tests.support import PROJECT, edit

D, E, L = "{{ warehouse }}.placed", "{{ warehouse }}.other", "{{ warehouse }}.here"
U = "{{ warehouse }}.both"
SUM = "select sum(n) as s from {{ warehouse }}.placed as p where p.user_id = l.user_id"
FIRST = "select n from {{ warehouse }}.placed as p where p.user_id = e.user_id order by n limit 1"

# Each as it was tried on a cluster: refused, or answered otherwise, by Citus 13.2.
BROKEN = {
    "columns": f"select user_id from {D} where not exists (select from {L})",
    "correlated": f"select n from {D} as p where exists (select 1 from {L} as l where l.n = p.n)",
    "create": f"create table {L} as select * from {D}",
    "function": f"select {{{{ warehouse }}}}.size_of(user_id) from {D}",
    "group": f"select n, count(*) from {D} group by rollup (n)",
    "join": f"select 1 from {D} inner join {E} using (n)",
    "lateral": f"select s from {L} as l cross join lateral ({SUM}) as sums",
    "limit": f"select n from {D} order by n limit (select 1)",
    "lock": f"select n from {D} for update",
    "merge": f"merge into {D} as p using {L} as l on l.n = p.n when matched then delete",
    "moment": f"select n, now() from {D}",
    "move": f"update {D} set user_id = 'x' where n = 1",
    "recursive": "with recursive s as (select 1 as n union all select n + 1 from s where n < 3)"
    f" select n from s inner join {D} using (n)",
    "sample": f"select n from {D} tablesample bernoulli (50)",
    "subquery": f"insert into {D} (user_id, n) values ('u', (select 1))",
    "union": f"select n from {D} union all select n from {L}",
    "unnest": f"select k from {D} as p cross join lateral"
    " (select 'a' as k union all select 'b' as k) as keys",
    "view": f"select n from {U} as b inner join {L} as l on b.n > l.n",
}
TAKEN = [
    f"select user_id from {D} where not exists (select 1 from {L})",
    f"select n from {D} where user_id in (select user_id from {L})",
    f"select n from {D} as p where exists (select 1 from {E} as e where e.user_id = p.user_id)",
    f"with l as (select * from {L}) select n from {D} as p where exists (select 1 from l where l.n = p.n)",
    f"create temporary table was as select * from {D}",
    f"select n, count(*) from (select n from {D} group by n) as g group by n",
    f"select 1 from {D} inner join {E} using (user_id, n)",
    f"select 1 from {D} as p inner join {E} as e on e.user_id = p.user_id and e.n < p.n",
    f"select s from {L} as l cross join lateral ({SUM} group by p.user_id) as sums",
    f"select f.n from {E} as e inner join {L} as l using (user_id) left join lateral ({FIRST}) as f on true",
    f"delete from {D} as p using {L} as l where l.user_id = p.user_id",
    f"insert into {D} (user_id, n) select user_id, n from {L} on conflict (user_id) do update set n = excluded.n",
    f"select n from {D} union all select n from {E}",
    f"select 'all' as k, n from {L} union all select 'one', count(*) from {D} group by n",
    f"select n from {U} where n > (select max(n) from {L})",
    f"select n from {U} inner join {L} using (user_id)",
    f"select now(), {{{{ warehouse }}}}.size_of(user_id) from {L} group by rollup (user_id)",
    f"select k from {D} as p cross join unnest(array['a', 'b']) as keys (k)",
]

TABLE = """\
-- Place: {place}
create table if not exists {{{{ warehouse }}}}.{name} (
    user_id text not null,
    n integer not null,
    constraint {name}_key primary key ({key})
);
"""
FUNCTION = """\
create or replace function {{ warehouse }}.size_of(user_id text) returns bigint
language sql as $$ select count(*) from warehouse.here $$;
"""
VIEW = f"create or replace view {U} as select * from {D} union all select * from {E};\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of four tables, two of them distributed, and a view of these."""
    for name in ("sql", "schema"):
        (tmp_path / name / "warehouse").mkdir(parents=True)
    needs = '["warehouse.placed", "warehouse.other", "warehouse.here", "warehouse.both"]'
    (tmp_path / "sql/manifest.toml").write_text(
        "[warehouse.placed]\nneeds = []\n[warehouse.other]\nneeds = []\n"
        "[warehouse.here]\nneeds = []\n"
        '[warehouse.both]\nview = true\nneeds = ["warehouse.placed", "warehouse.other"]\n'
        f"[warehouse.mine]\nneeds = {needs}\n"
    )
    for name in ("placed", "other", "here", "mine"):
        place = "distributed by user_id" if name in ("placed", "other") else "local"
        table = TABLE.format(name=name, place=place, key="user_id")
        (tmp_path / f"schema/warehouse/{name}.sql").write_text(table)
        (tmp_path / f"sql/warehouse/{name}.sql").write_text("select 1;\n")
    (tmp_path / "schema/warehouse/both.sql").write_text(VIEW)
    (tmp_path / "schema/warehouse.size.sql").write_text(FUNCTION)
    return tmp_path


def found(folder: Path, text: str) -> list[str]:
    (folder / "sql/warehouse/mine.sql").write_text(f"-- warehouse.mine\n\n{text};\n")
    return [line for key, line in problems(load(folder)) if key == "warehouse.mine"]


@pytest.mark.parametrize("rule", BROKEN)
def test_a_form_that_a_cluster_refuses_is_found_with_its_line(folder: Path, rule: str) -> None:
    assert [line[-len(rule) - 2 :] for line in found(folder, BROKEN[rule])] == [f"({rule})"]
    assert found(folder, BROKEN[rule])[0].startswith("sql/warehouse/mine.sql:3: ")


@pytest.mark.parametrize("text", TAKEN, ids=range(len(TAKEN)))
def test_a_form_that_a_cluster_takes_is_not_found(folder: Path, text: str) -> None:
    assert found(folder, text) == []


def test_a_waiver_names_its_rule_and_reason_and_is_needed(folder: Path) -> None:
    text = BROKEN["union"]
    assert found(folder, f"-- Waived: union, few rows.\n{text}") == []
    assert len(found(folder, f"-- Waived: union\n{text}")) == 1
    assert len(found(folder, f"-- Waived: limit, few rows.\n{text}")) == 2
    (line,) = found(folder, "-- Waived: union, few rows.\nselect 1")
    assert line.endswith("union is waived, but not broken")


def test_a_key_without_its_column_and_a_table_without_a_place_are_found(folder: Path) -> None:
    placed = TABLE.format(name="placed", place="distributed by user_id", key="n")
    (folder / "schema/warehouse/placed.sql").write_text(placed)
    here = TABLE.format(name="here", place="local", key="n").partition("\n")[2]
    (folder / "schema/warehouse/here.sql").write_text(here)
    assert [line for _, line in problems(load(folder))] == [
        "schema/warehouse/placed.sql: with a distributed table, a key without the distribution column (key)",
        "schema/warehouse/here.sql: has no placement, as other tables have: -- Place: local",
    ]


def test_a_project_without_a_distributed_table_is_asked_nothing(folder: Path) -> None:
    for name in ("placed", "other"):
        table = TABLE.format(name=name, place="local", key="n")
        (folder / f"schema/warehouse/{name}.sql").write_text(table)
    for text in BROKEN.values():
        assert found(folder, text) == []


def test_the_shipped_scripts_serve_both_engines() -> None:
    assert lint(load(PROJECT)) == []


def test_lint_says_what_a_cluster_would_refuse(project: Path) -> None:
    manifest = edit(
        project, "sql/warehouse/changed_slices.sql",
        "where event_date > (select min(since) from moved)", "inner join moved on event_date > since",
    )  # fmt: skip
    (line,) = lint(manifest, {"warehouse.changed_slices"})
    assert line.startswith("sql/warehouse/changed_slices.sql:") and line.endswith("(view)")
