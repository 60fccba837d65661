"""The SQL of active users, growth, cohorts and headline figures, made wrong on purpose in one place, in
full and in what an incremental build adds: then a figure differs from that of plain Python. And
figures made wrong: the check finds them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from runner.build.compose import Composer
from runner.database import ledger
from runner.database.session import Database, QueryFailed
from runner.project.target import Target
from tests.support import query
from tests.support.databases import Moulds, apply_schema
from tests.warehouse.grown import (
    CHANGES,
    Change,
    Pending,
    a_day_later,
    a_month_has_just_begun,
    a_month_is_about_to_end,
    in_zone,
    mutated,
    pending,
    prepare,
)

SCRIPTS = (
    "warehouse.agg_user_returns",
    "warehouse.agg_user_funnels",
    "warehouse.agg_user_acquisition",
    "reporting.active_users_daily",
    "reporting.growth_accounting",
    "reporting.retention",
    "reporting.retention_days",
    "reporting.active_days_monthly",
    "reporting.cohort_value",
    "reporting.miles_balance_daily",
    "reporting.kpi_daily",
    "reporting.kpi_periods",
    "reporting.kpi_drivers",
    "reporting.acquisition",
    "reporting.engagement_funnel",
)
(
    RETURNS, FUNNELS, USERS, ACTIVE, GROWTH, RETENTION, DAYS, POWER, VALUE, BALANCE, DAILY, PERIODS,
    DRIVERS, ACQUISITION, FUNNEL,
) = (f"sql/{key.replace('.', '/')}.sql" for key in SCRIPTS)  # fmt: skip
# A week is over, a month is not over by a day, and by two.
BORDERS = (a_day_later, a_month_has_just_begun, a_month_is_about_to_end)
NEXT = "{{ warehouse }}.next_period(grain, period_start)"
AGES = "array[1, 3, 7, 14, 30, 60, 90]"

Mutant = tuple[str, str, str]
IN_FULL: list[Mutant] = [
    (RETURNS, "active_days[2] - active_days[1] <= 90", "active_days[2] - active_days[1] < 90"),
    (RETURNS, "active_days[1] - 1, array", "active_days[1], array"),
    (RETURNS, "active_days[1] + age = any", "active_days[1] + age + 1 = any"),
    (RETURNS, "redeemed_count > 0", "redeemed_count > 1"),
    (RETURNS, "min(event_date) as first_day", "max(event_date) as first_day"),
    (RETURNS, "- {{ warehouse }}.month_number(first_day)", "- {{ warehouse }}.month_number(first_day) + 1"),
    (ACTIVE, "27 preceding", "28 preceding"),
    (ACTIVE, "over to_day + 27", "over to_day + 28"),
    (ACTIVE, "dau_28d / (28 *", "dau_28d / (27 *"),
    (ACTIVE, "sum(sum(trailing_7_day_change))", "sum(sum(trailing_28_day_change))"),
    (ACTIVE, "day < last_day", "day <= last_day"),
    (ACTIVE, "calendar_date >= first_day", "calendar_date > first_day + 30"),
    (ACTIVE, "case when is_window_full then", "case when true then"),
    (GROWTH, "<= max(calendar_date) over ()", "< max(calendar_date) over ()"),
    (GROWTH, "case when is_complete then coalesce(churned_users, 0) end", "coalesce(churned_users, 0)"),
    (GROWTH, "case when is_complete then trim_scale", "case when true then trim_scale"),
    (GROWTH, "(new_users + resurrected_users)", "(new_users)"),
    (GROWTH, "where period_start >= first_period", "where period_start > first_period"),
    (GROWTH, "left join activity", "inner join activity"),
    (GROWTH, "period_start = first_period as", "period_start = min(first_period) over () as"),
    (RETENTION, "where is_complete\n", "where true\n"),
    (RETENTION, "<= max(calendar_date) over ()", "< max(calendar_date) over ()"),
    (RETENTION, "having sum(cohort_size) >=", "having sum(cohort_size) >"),
    (RETENTION, "sum(active_users) / sum(cohort_size)", "avg(retention_rate)"),
    (RETENTION, "left join {{ warehouse }}.agg_period_activity", "inner join {{ warehouse }}.agg_period_activity"),
    (DAYS, "last_day - calendar_date - 1", "last_day - calendar_date"),
    (DAYS, "+ day_number <= last_day", "+ day_number < last_day"),
    (DAYS, "figure = 'new' and place <= over", "figure = 'new' and place < over"),
    (DAYS, "figure = 'new' and place <= over", "figure = 'new'"),
    (DAYS, "figure = 'active' and place <= over", "figure = 'active'"),
    (DAYS, "figure = 'returned' and place <= over", "figure = 'returned'"),
    (DAYS, "number <= day_number", "number < day_number"),
    (DAYS, "number <= day_number", "number = day_number"),
    (DAYS, "when 'active' then number = day_number", "when 'active' then number <= day_number"),
    (DAYS, "where eligible_users > 0", ""),
    (DAYS, "where is_complete\n", "where true\n"),
    (DAYS, "having sum(cohort_size) >=", "having sum(cohort_size) >"),
    (DAYS, "retained_users / eligible_users", "retained_users / cohort_size"),
    (DAYS, "returned_users / eligible_users", "returned_users / cohort_size"),
    (DAYS, "sum(returned_users) / sum(eligible_users)", "avg(return_rate)"),
    (POWER, "period_start) <= last_day", "period_start) < last_day"),
    (POWER, "period_start) <= last_day", "period_start) <= last_day + 1"),
    (VALUE, "next_month <= last_day", "next_month < last_day"),
    (VALUE, "next_month <= last_day", "next_month <= last_day + 1"),
    (VALUE, "sum(sum(miles_earned)) over to_month", "sum(miles_earned)"),
    (VALUE, "sum(sum(redeemers)) over to_month", "sum(redeemers)"),
    (VALUE, "miles_earned / cohort_size", "miles_earned / nullif(redeemers, 0)"),
    (VALUE, "miles_redeemed / nullif(miles_earned, 0)", "miles_redeemed / cohort_size"),
    (VALUE, "isfinite(cohort_start)", "not isfinite(cohort_start)"),
    (VALUE, "generate_series(\n        0,", "generate_series(\n        1,"),
    (BALANCE, "27 preceding", "6 preceding"),
    (BALANCE, "miles_earned - miles_redeemed) over to_day", "miles_earned) over to_day"),
    (DAILY, "6 preceding", "7 preceding"),
    (DAILY, "dau_7d / days_7d", "dau_7d / 7.0"),
    (DAILY, "sum(dau) over last_7_days", "max(wau) over last_7_days"),
    (PERIODS, ">= first_day as is_comparable", "> first_day as is_comparable"),
    (PERIODS, ">= first_day as is_comparable", ">= first_day - 27 as is_comparable"),
    (PERIODS, "            is_complete\n            and ", "            "),
    (PERIODS, f"least({NEXT} - 1, last_day)", f"least({NEXT}, last_day)"),
    (PERIODS, f"least({NEXT} - 1, last_day)", f"{NEXT} - 1"),
    (PERIODS, "case grain when 'day' then days.earning_users else users.earning_users end", "days.earning_users"),
    (PERIODS, "case grain when 'day' then days.redeeming_users else users.redeeming_users end", "users.redeeming_users"),
    (PERIODS, "active_days = 0", "true"),
    (PERIODS, "nullif(active_before, 0)", "nullif(active_users, 0)"),
    (PERIODS, "(new_users - new_before)", "(new_before - new_users)"),
    (PERIODS, "(miles_redeemed - redeemed_before)", "(miles_redeemed - earned_before)"),
    (PERIODS, "left join days", "inner join days"),
    (DRIVERS, "        is_complete\n        and ", "        "),
    (DRIVERS, "or events_before > 0 ", ""),
    (DRIVERS, "events > 0 or events_before > 0 or slice = 'all'", "true"),
    (DRIVERS, "previous_period(grain, period_start) >= (", "previous_period(grain, period_start) > ("),
    (DRIVERS, "order by abs(change) desc", "order by change desc"),
    (DRIVERS, "figures.slice_value collate \"C\"", "figures.slice_value collate \"C\" desc"),
    (DRIVERS, "change / nullif(change_of_all, 0)", "change / nullif(abs(change_of_all), 0)"),
    (DRIVERS, "lag(new_users, 1, 0::bigint)", "lag(active_users, 1, 0::bigint)"),
    (DRIVERS, "partition by grain, period_start, figure, figures.slice\n", "partition by grain, period_start, figure\n"),
    (DRIVERS, "where figures.slice <> 'all'", "where figures.slice not in ('all', 'platform')"),
]  # fmt: skip

INCREMENTAL: list[Mutant] = [
    (RETURNS, "since <= first_day + coalesce(returned_within, 90)", "since <= first_day"),
    (RETURNS, "coalesce(returned_within, 90)", "returned_within"),
    (RETURNS, "first_day + 90\n        ] && days", "first_day + 89\n        ] && days"),
    (RETURNS, "        or first_redeemed_day is null\n", ""),
    (RETURNS, "or since <= first_redeemed_day as is_open", "or false as is_open"),
    (RETURNS, "first_redeemed_day < since then", "first_redeemed_day <= since then"),
    (RETURNS, "and event_date >= since", "and event_date > since"),
    (RETURNS, "where redeemed_before is null", "where false"),
    (RETURNS, "and new_rows.first_day is null", "and false"),
    (RETURNS, "-1 as sign", "0 as sign"),
    (RETURNS, "where users = 0", "where users = -1"),
    (RETURNS, "slices('all', country, platform, utm_source)\n        except", "slices('all', null, platform, utm_source)\n        except"),
    (FUNNELS, "since <= over_on\n", "since < first_day\n"),
    (FUNNELS, "redeemed_at is null\n", "redeemed_at is null and false\n"),
    (FUNNELS, "{{ incremental }} inner join {{ warehouse }}.changed_user_days using", "{{ incremental }} inner join (select user_id, event_date - 1 as event_date from {{ warehouse }}.changed_user_days) as days using"),
    (FUNNELS, "and activity.user_id is null", "and false"),
    (USERS, "-1 as sign", "0 as sign"),
    (USERS, "and computed.user_id is null", "and false"),
    (USERS, "where users = 0", "where users = -1"),
    (ACTIVE, "{{ incremental }}     and day >= since", "{{ incremental }}     and day > since"),
    (ACTIVE, "{{ incremental }} where day >= since", "{{ incremental }} where day > since"),
    (GROWTH, "report.slice_value = changed.slice_value", "report.slice_value <> changed.slice_value"),
    (GROWTH, "{{ incremental }}     and {{ warehouse }}.next_period(grain, period_start) > since", "{{ incremental }}     and period_start > since"),
    (GROWTH, "{{ incremental }} where {{ warehouse }}.next_period(grain, period_start) > since", "{{ incremental }} where period_start > since"),
    (RETENTION, "cohort_start + 7 * (period_number + 1) > since", "cohort_start + 7 * period_number > since"),
    (RETENTION, "cohort_start + (period_number + 1) * interval", "cohort_start + period_number * interval"),
    (RETENTION, f"and {NEXT} > since", "and period_start > since"),
    (RETENTION, "cohort_start is null\n", "false\n"),
    (DAYS, "cohort_start is null\n", "false\n"),
    (DAYS, "next_period(grain, cohort_start) + day_number > since", "next_period(grain, cohort_start) > since"),
    (DAYS, "next_period + day_number > since", "next_period + day_number > since + 1"),
    (DAYS, "next_period + day_number > since", "next_period > since"),
    (DAYS, "since - 90 - 31", "since - 90"),
    (DAYS, "since - 90 - 31", "since - 90 - 30"),
    (DAYS, "since - number - 31", "since - number"),
    (DAYS, "since - number - 31", "since - number - 30"),
    (POWER, "{{ incremental }}     and {{ warehouse }}.next_period('month', month) > since", "{{ incremental }}     and month > since"),
    (POWER, "{{ incremental }} and {{ warehouse }}.next_period('month', period_start) > since", "{{ incremental }} and period_start > since"),
    (VALUE, "cohort_start + (period_number + 1) * interval", "cohort_start + period_number * interval"),
    (VALUE, "where next_month > since", "where next_month > since + 31"),
    (BALANCE, "{{ incremental }}     and day >= since", "{{ incremental }}     and day > since"),
    (BALANCE, "{{ incremental }} where day >= since", "{{ incremental }} where day > since"),
    (PERIODS, "where event_date >= {{ warehouse }}.month_start(since - 31)", "where event_date >= since"),
    (PERIODS, "and period_start >= {{ warehouse }}.month_start(since - 31)", "and period_start >= since"),
    (PERIODS, "{{ incremental }} where period_start >= {{ warehouse }}.month_start(since - 31)", "{{ incremental }} where period_start >= {{ warehouse }}.month_start(since)"),
    (PERIODS, f"{{{{ incremental }}}}     and {NEXT} > since", "{{ incremental }}     and period_start > since"),
    (PERIODS, f"{{{{ incremental }}}} where {NEXT} > since", "{{ incremental }} where period_start > since"),
    (DRIVERS, f"{{{{ incremental }}}}     and {NEXT} > since\n;", "{{ incremental }}     and period_start > since\n;"),
    (DRIVERS, f"{{{{ incremental }}}}     and {NEXT} > since\nwhere", "{{ incremental }}     and period_start > since\nwhere"),
    (ACQUISITION, "where (utm_source, cohort_start) not in (select utm_source, cohort_start from computed)", "where false"),
    (FUNNEL, "where since <= first_day or since <= over_on and over_on <= last_day", "where false"),
    (FUNNEL, "over_on > least(former.last_day, now.last_day)", "false"),
    (FUNNEL, "over_on <= greatest(", "over_on < greatest("),
    (FUNNEL, "(report.users, report.is_complete) is distinct from (sizes.users, sizes.is_complete)", "false"),
]  # fmt: skip

# What no report may hold, and whose check finds it: of the rows that a condition names.
SOME = "slice = 'all' and grain = 'week' and period_start = '2020-09-07'"
DAY_OF_ALL = "slice = 'all' and day = '2020-09-07'"
CELL = ("grain", "cohort_start", "day_number", "slice", "slice_value")
COHORT = "slice = 'all' and grain = 'month' and cohort_start = '2020-09-01' and day_number = 7"
WRONG: list[tuple[str, str, str, str]] = [
    ("active_users_daily", DAY_OF_ALL, "dau = wau + 1", "active_users_daily"),
    ("active_users_daily", DAY_OF_ALL, "wau = mau + 1", "active_users_daily"),
    ("active_users_daily", "slice = 'country' and day = '2020-09-07'", "dau = 99, wau = 99, mau = 99", "active_users_daily"),
    ("growth_accounting", SOME, "new_users = new_users + 1", "growth_accounting"),
    ("growth_accounting", SOME, "churned_users = churned_users + 1", "growth_accounting"),
    ("growth_accounting", SOME, "retained_users = retained_users + 1, new_users = new_users - 1", "growth_accounting"),
    ("retention", "slice = 'all' and period_number = 0 and cohort_start = '2020-09-01'", "active_users = active_users + 1", "retention"),
    ("retention_days", COHORT, "cohort_size = cohort_size + 1", "retention_days"),
    ("retention_days", COHORT, "eligible_users = cohort_size + 1", "retention_days"),
    ("retention_days", COHORT, "eligible_users = eligible_users - 1", "retention_days"),
    ("retention_days", COHORT, "returned_users = eligible_users + 1", "retention_days"),
    ("retention_days", COHORT, "retained_users = returned_users + 1", "retention_days"),
    ("active_days_monthly", "slice = 'all' and month = '2020-09-01' and active_days = 1", "users = users + 1", "active_days_monthly"),
    ("active_days_monthly", "slice = 'all' and month = '2020-09-01' and active_days = 1", "active_days = 31", "active_days_monthly"),
    ("cohort_value", "slice = 'all' and cohort_start = '2020-09-01' and period_number = 3", "miles_earned = miles_earned + 0.5", "cohort_value"),
    ("cohort_value", "slice = 'all' and cohort_start = '2020-09-01' and period_number = 3", "redeemers = 0", "cohort_value"),
    ("cohort_value", "slice = 'all' and cohort_start = '2020-09-01'", "cohort_size = cohort_size + 1", "cohort_value"),
    ("kpi_daily", DAY_OF_ALL, "miles_redeemed = miles_redeemed + 1", "kpi_daily"),
    ("kpi_daily", DAY_OF_ALL, "dau = dau + 1", "kpi_periods"),
    ("kpi_daily", DAY_OF_ALL, "new_users = new_users + 1", "kpi_periods"),
    ("kpi_periods", SOME, "events = events + 1", "kpi_periods"),
    ("kpi_periods", SOME, "miles_earned = miles_earned + 1", "kpi_periods"),
    ("kpi_periods", SOME, "net_miles = net_miles + 1", "kpi_periods"),
    ("kpi_periods", SOME, "earning_users = active_users + 1", "kpi_periods"),
    ("kpi_periods", "slice = 'all' and grain = 'week' and not is_complete", "outstanding_miles = outstanding_miles + 1", "kpi_periods"),
    ("kpi_drivers", "figure = 'miles_earned' and slice = 'country' and rank = 1", "value = value + 1", "kpi_drivers"),
    ("kpi_drivers", "slice = 'country' and rank = 1", "rank = 99", "kpi_drivers"),
    ("kpi_drivers", "slice = 'country' and rank = 1", "change = 0", "kpi_drivers"),
]  # fmt: skip


def some_quick(mutants: list[Mutant]) -> list[object]:
    """One in thirty in the quick suite."""
    return [
        pytest.param(mutant, marks=[] if number % 30 == 0 else [pytest.mark.slow], id=str(number))
        for number, mutant in enumerate(mutants)
    ]


class Histories:
    """The builds of all changes, each begun when the first mutant asks for it."""

    def __init__(self, moulds: Moulds, open_ones: contextlib.ExitStack) -> None:
        self.moulds, self.open_ones = moulds, open_ones
        self.known: dict[Change, Pending] = {}

    def of(self, change: Change) -> Pending:
        if change not in self.known:
            database = self.open_ones.enter_context(self.moulds.clone(apply_schema, prepare))
            self.known[change] = self.open_ones.enter_context(pending(database, SCRIPTS, change))
        return self.known[change]


@pytest.fixture(scope="module")
def histories(moulds: Moulds) -> Iterator[Histories]:
    with contextlib.ExitStack() as open_ones:
        yield Histories(moulds, open_ones)


@pytest.fixture(scope="module")
def grown(moulds: Moulds) -> Iterator[Database]:
    with moulds.clone(apply_schema, prepare) as database:
        yield database


def is_caught(history: Pending, mutant: Mutant, is_full: bool) -> bool:
    try:
        return history.wrong_table(mutated(in_zone(), *mutant), is_full) is not None
    except QueryFailed:
        return True  # what does not run misleads nobody


@pytest.mark.parametrize(
    "change", [CHANGES[0], *(pytest.param(each, marks=pytest.mark.slow) for each in CHANGES[1:])]
)
def test_every_change_is_built_as_plain_python_says(histories: Histories, change: Change) -> None:
    history = histories.of(change)
    assert history.wrong_table(in_zone()) is None
    assert history.wrong_table(in_zone(), is_full=True) is None


@pytest.mark.parametrize("mutant", some_quick(IN_FULL))
def test_a_report_that_is_wrong_in_one_place_has_a_wrong_figure(
    histories: Histories, mutant: Mutant
) -> None:
    assert any(is_caught(histories.of(change), mutant, is_full=True) for change in BORDERS)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", INCREMENTAL, ids=map(str, range(len(INCREMENTAL))))
def test_a_line_of_incremental_builds_that_is_wrong_makes_a_wrong_figure(
    histories: Histories, mutant: Mutant
) -> None:
    assert any(is_caught(histories.of(change), mutant, is_full=False) for change in CHANGES)


def test_the_checks_find_each_wrong_figure(grown: Database) -> None:
    manifest = in_zone()
    missed = []
    with grown.session("test") as session:
        composer = Composer(manifest, Target(), ledger.positions(session, "live"))
        for table, where, wrong, checked in WRONG:
            texts = [
                composer.check(check, "full").text
                for check in manifest.scripts[f"reporting.{checked}"].checks
                if check.name == f"{checked}.check.sql"
            ]
            session.run("begin")
            assert session.run(f"update reporting.{table} set {wrong} where {where}")
            missed += [] if any(session.rows(text) for text in texts) else [(table, wrong)]
            session.run("rollback")
    assert missed == []
    assert query(grown, "select count(*) as n from reporting.kpi_drivers")[0]["n"] > 100


def test_who_is_eligible_stays_so_as_days_go_by(histories: Histories, grown: Database) -> None:
    """Only what comes late, changes or goes takes somebody out; so this is no check of a build."""
    after = {
        tuple(cell[name] for name in CELL): cell["eligible_users"]
        for cell in map(dict, histories.of(CHANGES[0]).expected["reporting.retention_days"])
    }
    before = query(grown, "select * from reporting.retention_days where cohort_start is not null")
    grew = [after[tuple(cell[name] for name in CELL)] - cell["eligible_users"] for cell in before]
    assert min(grew) == 0
    assert max(grew) > 0
