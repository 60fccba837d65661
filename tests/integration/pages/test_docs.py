"""The page that explains the tables: whole, inert, and of this database."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from runner.database.session import Database
from runner.errors import UsageError
from runner.pages.docs import catalogue
from runner.pages.docs.page import documents
from runner.project.manifest import Manifest, load
from runner.project.target import Target
from runner.setup import schema
from runner.setup.new_project import ORDERS, write
from tests.support import PROJECT, query, scalar
from tests.support.commands import assert_refused, command
from tests.support.pages import HOSTILE, Page


def render(database: Database, manifest: Manifest | None = None, name: str = "docs.html") -> str:
    return documents(database, manifest or load(PROJECT), [Path(name)])[Path(name)]


@pytest.fixture(scope="module")
def page(shared: Database) -> Page:
    return Page(render(shared))


def squeezed(text: str) -> str:
    return " ".join(text.split())


# --- what is on it --------------------------------------------------------------------------------


def test_each_table_is_there_with_its_columns_and_comments(shared: Database, page: Page) -> None:
    rows = query(
        shared,
        """
        select
            c.oid::regclass::text as name,
            array_agg(a.attname::text) as columns,
            array_agg(col_description(c.oid, a.attnum)) || obj_description(c.oid) as comments
        from pg_class as c
        inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where
            c.relnamespace::regnamespace::text in ('public', 'warehouse', 'reporting', 'orchestrator')
            and c.relkind in ('r', 'v')
        group by c.oid
        """,
    )
    assert len(rows) > 40
    for row in rows:
        name = row["name"] if "." in row["name"] else f"public.{row['name']}"
        said = squeezed(page.texts[name])
        expected = [*row["columns"], *(squeezed(text) for text in row["comments"])]
        assert [text for text in expected if text not in said] == [], name


def test_a_table_tells_its_script_its_neighbours_and_its_last_build(
    shared: Database, page: Page
) -> None:
    said = squeezed(page.texts["reporting.growth_accounting"])
    for text in (
        "Grain one row per grain, period and slice value (grain, period_start, slice, slice_value).",
        "Rerun changed keys; in each changed slice value, the periods from the first change on.",
        "Needs warehouse.agg_period_activity, warehouse.changed_slices, warehouse.dim_dates",
        "growth_accounting (stops the build; last result: passed): Both identities",
        "sql/reporting/growth_accounting.sql",
        "insert into {{ this }} (",
        "growth_accounting_key: PRIMARY KEY (grain, period_start, slice, slice_value)",
    ):
        assert text in said
    assert re.search(r"Built \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, build \d+", said)
    count = scalar(shared, "select count(*) from reporting.growth_accounting")
    assert f"Rows {count} Built" in said


def test_a_table_that_a_script_keeps_beside_its_own_says_whose_it_is(page: Page) -> None:
    said = squeezed(page.texts["warehouse.agg_period_activity"])
    assert "Kept by warehouse.agg_user_activity" in said
    assert re.search(r"Needed by .*reporting\.active_users_daily", said)


def test_a_column_tells_what_it_is_made_from_and_who_reads_it(page: Page) -> None:
    said = squeezed(page.texts["column-reporting.kpi_daily.dau"])
    assert "from reporting.active_users_daily.dau" in said
    said = squeezed(page.texts["column-reporting.active_users_daily.dau"])
    assert re.search(r"read by \d+\s*reporting\.kpi_daily.*card active_users", said)
    said = squeezed(page.texts["column-public.event_stream.miles_amount"])
    assert "from" not in said and "read by 1warehouse.raw_event_stream" in said
    assert "unknown: " not in squeezed(page.texts["reporting"])


def test_a_card_leads_back_to_its_source_rows(page: Page) -> None:
    said = squeezed(page.texts["card-miles"])
    assert "dashboard/50_miles.sql" in said
    assert "public.event_stream.miles_amount" in said
    assert "reporting.miles_by_category.miles" in said


def test_an_observation_says_what_it_counts(page: Page) -> None:
    said = squeezed(page.texts["warehouse.changed_events"])
    assert "Observation changed_events.lateness: How late the events of this build arrived" in said


def test_the_drawing_has_each_table_of_the_manifest_and_leads_to_it(page: Page) -> None:
    nodes = [found for tag, found in page.elements if tag == "a" and "data-node" in found]
    fillers = set(load(PROJECT).fillers())
    sources = {"public.event_stream", "warehouse.raw_event_stream", "orchestrator.replaced_rows"}
    assert fillers | sources <= {node["data-node"] for node in nodes}
    assert all(node["href"] == f"#{node['data-node']}" for node in nodes)
    needs = {node["data-node"]: node["data-needs"].split() for node in nodes}
    assert needs["warehouse.raw_event_stream"] == ["public.event_stream"]
    assert set().union(*needs.values()) <= set(needs)


def test_each_link_leads_to_something_on_the_page(page: Page) -> None:
    assert [name for name, count in page.ids.items() if count > 1] == []
    links = [link for link in page.values("href") if link.startswith("#")]
    assert [link for link in links if link[1:] not in page.ids] == []


def test_pipelines_and_metrics_are_there(page: Page) -> None:
    assert "append by created_at, key event_id" in squeezed(page.texts["pipelines"])
    assert "quick_ratio" in page.texts["metrics"]
    assert "metrics-growth_accounting" in page.ids


def test_before_the_first_build_it_says_so(database: Database) -> None:
    assert "Nothing has been built yet." in Page(render(database)).texts[""]


def test_rows_of_large_tables_are_not_counted(
    built: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    query(built, "analyze warehouse.fact_miles_earned")
    monkeypatch.setattr(catalogue, "SMALL_BYTES", 0)
    assert "Rows about 30" in squeezed(Page(render(built)).texts["warehouse.fact_miles_earned"])


def test_two_renderings_are_the_same_bytes(shared: Database) -> None:
    for name in ("docs.html", "schema.dbml"):
        assert render(shared, name=name) == render(shared, name=name)


def test_a_project_of_ones_own_has_a_page_too(empty_database: Database, tmp_path: Path) -> None:
    write(tmp_path / "shop", ORDERS, is_example=True)
    manifest = load(tmp_path / "shop")
    schema.apply(empty_database, manifest, Target())
    page = Page(render(empty_database, manifest))
    assert "raw_orders" in page.texts["warehouse.raw_orders"]
    assert "order_id" in page.texts["public.orders"]
    assert "Needed by reporting.orders_daily" in squeezed(page.texts["warehouse.fact_orders"])
    assert "metrics" not in page.ids
    assert (
        'Ref: "warehouse"."fact_orders"."order_id" > "warehouse"."raw_orders"."order_id"'
        in render(empty_database, manifest, "schema.dbml")
    )


# --- nothing on it can act ------------------------------------------------------------------------


def test_it_asks_nobody_for_anything(page: Page) -> None:
    assert {tag for tag, _ in page.elements} & {"link", "img", "iframe", "object", "form"} == set()
    for attribute in ("src", "srcset", "action", "style", "onclick", "onload", "onerror"):
        assert page.values(attribute) == []
    assert [link for link in page.values("href") if not link.startswith("#")] == []
    assert "url(" not in page.inline["style"] and "@import" not in page.inline["style"]


def test_its_policy_lets_its_own_script_run_and_no_other(page: Page) -> None:
    (policy,) = (found["content"] for _, found in page.elements if "http-equiv" in found)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.inline[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
        assert [tag for tag, _ in page.elements].count(kind) == 1


def test_hostile_names_and_comments_are_only_text(built: Database, project: Path) -> None:
    _spoil(built)
    (project / "docs").mkdir()
    (project / "docs/metrics.md").write_text(
        f"# {HOSTILE}\n\n## {HOSTILE}\n\n{HOSTILE} [x](javascript:alert) ![x](http://x.example/y)\n"
        "[elsewhere](sources.md) [there](https://example.org)\n"
    )
    page = Page(render(built, load(project)))
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert [tag for tag, _ in page.elements].count("img") == 0
    assert page.values("onerror") == []
    links = {link for link in page.values("href") if not link.startswith("#")}
    assert links == {"https://example.org", "http://x.example/y"}  # a picture is but a link
    everything = page.texts[""]
    assert everything.count('<script>alert("x")</script>') > 5
    assert "\x01" not in everything and "\u202e" not in everything


def test_hostile_names_and_comments_are_only_text_in_the_diagram(built: Database) -> None:
    _spoil(built)
    for line in render(built, name="schema.dbml").splitlines():
        bare = re.sub(r"'(?:[^'\\]|\\.)*'|\"[^\"]*\"", "", line)
        assert re.fullmatch(r"[\w\s{}\[\](),:;.>/`-]*", bare), line


def _spoil(database: Database) -> None:
    name = '"' + HOSTILE.replace('"', '""')[:50] + '"'
    text = HOSTILE.replace("'", "''") + "\x01\u202e"
    query(database, f"create table reporting.{name} ({name} integer primary key)")
    query(database, f"comment on table reporting.{name} is '{text}'")
    query(database, f"comment on column reporting.{name}.{name} is '{text}'")
    query(database, f"comment on table reporting.kpi_daily is '{text}'")
    query(
        database,
        f"""
        insert into orchestrator.pipeline_definitions (
            pipeline_name, source_relation, cursor_column, owner, description
        )
        values ('{text}', 'public.<script>', '{text}', '{text}', '{text}')
        """,
    )


# --- the commands ---------------------------------------------------------------------------------


def test_docs_writes_what_the_endings_say(built: Database, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    files = [tmp_path / "new" / name for name in ("page.html", "schema.dbml")]
    done = command("docs", *(f"--output={file}" for file in files), database=built)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"docs: {file}" for file in files]
    assert [file.read_text()[:9] for file in files] == ["<!doctype", "// The ta"]
    assert sorted(file.name for file in files[0].parent.iterdir()) == sorted(
        file.name for file in files
    )


def test_docs_refuses_an_ending_that_it_does_not_know(database: Database, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"docs\.pdf ends in none of \.html"):
        render(database, name="docs.pdf")
    file = tmp_path / "file"
    file.touch()
    done = command("docs", "-o", str(file / "docs.html"), database=database)
    assert_refused(done, 1, "cannot be written", hint=False)


def test_docs_wants_the_tables(empty_database: Database, tmp_path: Path) -> None:
    done = command("docs", "-o", str(tmp_path / "docs.html"), database=empty_database)
    assert_refused(done, 3, "no orchestrator schema")
    assert list(tmp_path.iterdir()) == []


def test_lineage_shows_what_a_table_needs_and_what_needs_it() -> None:
    done = command("lineage", "agg_period_activity")
    assert done.stdout.startswith(
        "warehouse.agg_period_activity\nneeds:\n  warehouse.agg_user_activity\n"
    )
    assert done.stdout.endswith(
        "    reporting.engagement_funnel\n    reporting.category_performance\n"
        "  reporting.active_users_daily\n    reporting.kpi_daily\n"
        "      reporting.kpi_periods ...\n  reporting.kpi_daily ...\n"
        "  reporting.retention\n  reporting.engagement_funnel\n"
    )


def test_lineage_answers_in_json_and_knows_the_names_of_the_manifest() -> None:
    found = json.loads(command("lineage", "raw.utm_campaigns", "--json").stdout)
    assert found["table"] == "warehouse.raw_utm_campaigns"
    assert found["needs"] == []
    assert "warehouse.dim_utm_sources" in found["needed_by"]


def test_lineage_says_what_may_have_been_meant() -> None:
    assert_refused(command("lineage", "dim_user"), 2, "did you mean dim_users?")
