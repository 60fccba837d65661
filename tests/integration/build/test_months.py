"""Facts in partitions by month: any day has its place, a build looks into the months that it changes
alone, and nothing is lost when months come or go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner.build import build as build_module
from runner.build import months
from runner.build.build import build
from runner.compare.rebuild import rebuild, verify
from runner.database.session import Database, Session
from runner.errors import StartError
from runner.preview.render import rendered
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from tests.support import (
    PROJECT,
    assert_equals_rebuild,
    assert_facts_equal_oracle,
    assert_reports_equal_oracle,
    earn,
    edit,
    event,
    ingest,
    insert_events,
    query,
    scalar,
)
from tests.support.commands import command
from tests.support.databases import Moulds
from tests.support.months import images

LIVE = Target()
PLAIN = load(PROJECT)
MONTHLY = replace(PLAIN, variables={**PLAIN.variables, "monthly_facts": True})
WRITTEN = datetime(2026, 11, 1, tzinfo=UTC)


def facts_in_months(database: Database) -> None:
    """Four months of three users, ingested and built, with facts in months."""
    schema.apply(database, MONTHLY, LIVE)
    insert_events(
        database,
        [
            {**row, "created_at": row["event_time"]}
            for day in range(0, 120, 2)
            for row in (earn(day, f"u_{day % 3}", day), event(day, "u_1", "share"))
        ],
    )
    ingest(database)
    build(database, MONTHLY, LIVE)


def nothing(database: Database) -> None:
    """An empty database."""


@pytest.fixture
def monthly(moulds: Moulds, no_margin: None) -> Iterator[Database]:
    with moulds.clone(facts_in_months) as database:
        ingest(database)
        yield database


def places(database: Database, where: str = "true") -> dict[str, str]:
    """The partition of each day of the facts, by the end of its name."""
    rows = query(
        database,
        f"""
        select event_date::text as day, string_agg(distinct place, ' ') as place
        from (
            select event_date, event_id, regexp_replace(tableoid::regclass::text, '.*s_', '')
            from warehouse.fact_social_engagements
            union all
            select event_date, event_id, regexp_replace(tableoid::regclass::text, '.*s_', '')
            from warehouse.fact_unclassified_events
        ) as facts (event_date, event_id, place)
        where {where}
        group by 1
        """,
    )
    return {row["day"]: row["place"] for row in rows}


def partitions(database: Database, table: str = "fact_miles_earned") -> list[str]:
    return [
        row["name"]
        for row in query(
            database,
            "select inhrelid::regclass::text as name from pg_inherits"
            f" where inhparent = 'warehouse.{table}'::regclass order by 1",
        )
    ]


@pytest.mark.slow
def test_any_day_has_its_place_and_no_reader_waits_for_it(monthly: Database) -> None:
    assert partitions(monthly) == [
        f"warehouse.fact_miles_earned_{end}"
        for end in ("2026_01", "2026_02", "2026_03", "2026_04", "after", "before")
    ]
    wanted = {
        "1950-05-05": "before",
        "1999-12-31": "before",
        "2000-01-01": "2000_01",
        "2099-12-31": "2099_12",
        "2100-01-01": "after",
        "-infinity": "before",
    }
    times = [day if day == "-infinity" else f"{day} 12:00Z" for day in wanted]
    insert_events(monthly, [{**event(0, "far"), "event_time": time} for time in times])
    ingest(monthly)
    count = "select count(*) from warehouse.fact_unclassified_events"
    with monthly.session("a reader") as reader, reader.transaction():
        before = reader.value(count)
        build(monthly, MONTHLY, LIVE)
        assert reader.value(count) == before
    assert places(monthly, "event_date not between '2026-01-01' and '2026-12-31'") == wanted
    # At both ends days are looked up, too.
    with monthly.session("test") as session:
        session.run("update public.event_stream set user_id = 'near' where user_id = 'far'")
    ingest(monthly)
    build(monthly, MONTHLY, LIVE)
    assert not verify(monthly, MONTHLY, LIVE).differences
    assert_facts_equal_oracle(monthly)


@pytest.mark.slow
def test_each_kind_of_change_leaves_what_a_rebuild_makes(monthly: Database) -> None:
    changes = [
        "update public.event_stream set event_time = event_time + interval '3 months'"
        " where event_id % 40 = 1",
        "update public.event_stream set user_id = 'u_9', event_type = 'like'"
        " where event_id % 40 = 2",
        "update public.event_stream set miles_amount = 7 where event_id % 40 = 3",
        "delete from public.event_stream where event_id % 40 = 5",
    ]
    insert_events(monthly, [earn(3, "u_9", 70), event(130, "u_1", "share", created_at=WRITTEN)])
    with monthly.session("test") as session:
        for change in changes:
            session.run(change)
        session.run("update orchestrator.pipeline_definitions set on_delete = 'apply'")
    ingest(monthly)
    command("reconcile", "event_stream", "--force", database=monthly)
    build(monthly, MONTHLY, LIVE)
    assert_equals_rebuild(monthly, MONTHLY)
    assert_facts_equal_oracle(monthly)
    assert_reports_equal_oracle(monthly)
    before = images(monthly)
    rebuild(monthly, MONTHLY, LIVE)
    build(monthly, MONTHLY, LIVE, ["fact_*"])
    assert images(monthly) == before


READ = re.compile(r"(?m) on (?:warehouse\.)?(fact_\w+?)_(\d{4}_\d\d|before|after)\b")


def test_a_build_looks_into_the_months_that_it_changes(
    monthly: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[tuple[str, str]] = []
    run = Session.run

    def noted(session: Session, text: str, file: Path | None = None) -> None:
        texts.append((str(file), text))
        run(session, text, file)

    insert_events(monthly, [earn(35, "u_1", 70), earn(100, "u_2", 1), event(100, "u_2", "share")])
    ingest(monthly)
    with monkeypatch.context() as patch:
        patch.setattr(Session, "run", noted)
        build(monthly, MONTHLY, LIVE)
    names = {"agg_user_daily", "agg_user_category_daily", *(f"fact_{each}" for each in FACTS)}
    found: dict[str, set[str]] = {name: set() for name in names}
    with monthly.session("test") as session:
        session.run("set enable_nestloop = off")  # what a large change is joined by
        for file, text in texts:
            parts = re.sub(r"--.*", "", text).split(";") if Path(file).stem in names else []
            for part in map(str.strip, parts):
                if re.match("(delete|insert) ", part) and re.search(r"\.(fact|counted)_", part):
                    plan = "\n".join(row["QUERY PLAN"] for row in session.rows(f"explain {part}"))
                    found[Path(file).stem] |= {month for _, month in READ.findall(plan)}
    assert found == {name: {"2026_02", "2026_04"} for name in names}


FACTS = (
    "miles_earned",
    "miles_redeemed",
    "reward_searches",
    "social_engagements",
    "unclassified_events",
)


def test_months_come_and_go_with_the_variable_and_nothing_is_lost(
    built: Database, project: Path
) -> None:
    before, restated = images(built), "select count(*) from orchestrator.restatements"
    changes = scalar(built, restated)
    for wanted, said in ((True, "partitioned by month"), (False, "no longer partitioned by month")):
        text = (PROJECT / "sql/manifest.toml").read_text()
        line = f"monthly_facts = {str(wanted).lower()}"
        (project / "sql/manifest.toml").write_text(text.replace("monthly_facts = false", line))
        told = command("schema", "apply", "--yes", database=built, project=project).stdout
        assert f"the next build recreates warehouse.fact_miles_earned, {said}, with all" in told
        plan = command("plan", database=built, project=project).stdout
        assert "variable monthly_facts changed" in plan
        done = command("build", database=built, project=project)
        assert "fact_miles_earned was replaced, because its shape changed (months" in done.stdout
        assert images(built) == before
        assert bool(partitions(built)) == wanted
    told = command("schema", "apply", "--yes", database=built, project=project).stdout
    assert told == "schema: up to date\n"
    assert scalar(built, restated) == changes


@pytest.mark.slow
def test_a_first_build_of_many_rows_puts_whole_tables_of_months_in_place(
    moulds: Moulds, no_margin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "WORKERS_FROM", 10)
    with moulds.clone(nothing) as database:
        facts_in_months(database)
        assert len(partitions(database)) == 6
        left = "select count(*) from pg_namespace where nspname like '%scratch%'"
        assert scalar(database, left) == 0
        assert_facts_equal_oracle(database)
        assert_equals_rebuild(database, MONTHLY)


def test_a_printed_build_makes_its_months_itself(monthly: Database) -> None:
    insert_events(monthly, [earn(200, "u_1", 70)])
    ingest(monthly)
    text = rendered(monthly, MONTHLY, LIVE, [], full=False)
    with monthly.session("psql") as session:
        session.run(text)
    assert "warehouse.fact_miles_earned_2026_07" in partitions(monthly)
    day = "select event_date::text from warehouse.fact_miles_earned order by 1 desc limit 1"
    assert scalar(monthly, day) == "2026-07-20"


# What is refused.


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('"yes"', "monthly_facts is neither true nor false"),
        ("true", "monthly_facts does not work with engine citus"),
    ],
)
def test_a_variable_that_says_nothing_is_refused(project: Path, value: str, said: str) -> None:
    manifest = project / "sql/manifest.toml"
    text = manifest.read_text().replace("monthly_facts = false", f"monthly_facts = {value}")
    manifest.write_text(text.replace('name = "miles"', 'name = "miles"\nengine = "citus"'))
    with pytest.raises(StartError, match=said):
        load(project)


def test_a_script_that_does_not_say_of_which_days_is_refused(project: Path) -> None:
    file = "sql/warehouse/fact_miles_earned.sql"
    manifest = edit(project, file, "{{ incremental }}     and {{ within.changed_events }}\n", "")
    with pytest.raises(StartError, match=f"{file} .* does not say for which days"):
        months.make_ahead(manifest, LIVE, manifest.scripts["warehouse.fact_miles_earned"])
