"""examples/shop: set up by the commands of its README, then as the days bring it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from runner.database.session import Database
from tests.support import PROJECT, query, scalar
from tests.support.commands import command, environ
from tests.support.databases import Moulds, name_of

EXAMPLE = PROJECT / "examples/shop"
README = (EXAMPLE / "README.md").read_text(encoding="utf-8")
Row = dict[str, Any]


@dataclass(frozen=True)
class Shop:
    """The example in a folder of the test's own, its warehouse, and the database elsewhere."""

    folder: Path
    warehouse: Database
    payments: Database

    def run(self, *arguments: str, code: int = 0) -> str:
        done = command(*arguments, database=self.warehouse, project=self.folder)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def report(self, name: str) -> list[Row]:
        return query(self.warehouse, f"select * from reporting.{name}")

    def differences(self) -> dict[str, Any]:
        """What reports say and what plain Python says of the sources as they are, where these
        differ.
        """
        expected = reports(
            query(self.warehouse, "select * from public.customers"),
            query(self.warehouse, "select * from public.orders"),
            query(self.payments, "select * from public.refunds"),
        )
        found = {name: self.report(name) for name in expected}
        return {
            name: ([row for row in found[name] if row not in rows], rows)
            for name, rows in expected.items()
            if sorted(map(str, map(plain, found[name]))) != sorted(map(str, map(plain, rows)))
        }


@pytest.fixture(scope="module")
def shop(
    moulds: Moulds, server_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """What the README says, word by word, with names that no other test has."""
    folder = tmp_path_factory.mktemp("example") / "shop"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".pgdata"))
    with moulds.clone() as warehouse:
        elsewhere = f"{name_of(warehouse)}_payments"
        role = f"{name_of(warehouse)}_reader"
        try:
            follow(warehouse, folder, elsewhere, role)
            yield Shop(folder, warehouse, Database(make_conninfo(server_uri, dbname=elsewhere)))
        finally:
            with warehouse.session("test") as session:
                session.run(f"drop database if exists {elsewhere} with (force)")
                session.run(f"drop role if exists {role}")


def follow(warehouse: Database, folder: Path, elsewhere: str, role: str) -> None:
    lines = re.findall(r"^    (\S.*)$", README, flags=re.MULTILINE)
    assert lines[0] == "cd examples/shop" and lines[-1].endswith("runner dashboard")
    there = conninfo_to_dict(make_conninfo(warehouse.conninfo, user=role, dbname=elsewhere))
    script = "\n".join(lines[1:])
    for old, new in {
        r"python -m runner": f"{sys.executable} -m runner",
        r"milepost_reader": role,
        r"database payments": f"database {elsewhere}",
        r"connect payments": f"connect {elsewhere}",
        r"address=.*": f"address='{address(there)}'",
    }.items():
        script, count = re.subn(old, lambda _, new=new: new, script)
        assert count, f"README.md of the example: {old} is not there any more"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environ(warehouse),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "14 scripts" in done.stdout and "all checks passed" in done.stdout


def address(parts: dict[str, Any]) -> str:
    password = f":{parts['password']}" if parts.get("password") else ""
    where = f"host={parts['host']}&port={parts.get('port', 5432)}"
    return f"postgresql://{parts['user']}{password}@/{parts['dbname']}?{where}"


# --- what the reports have to say, from the sources -----------------------------------------------


def reports(customers: list[Row], orders: list[Row], refunds: list[Row]) -> dict[str, list[Row]]:
    country = {row["customer_id"]: row["country"] or "unknown" for row in customers}
    refunded: dict[int, Decimal] = defaultdict(Decimal)
    for row in refunds:
        refunded[row["order_id"]] += row["amount"]
    counted = [row for row in orders if row["status"] != "cancelled"]
    return {
        "sales_daily": list(sales_daily(orders, counted, refunded)),
        "sales_by_country": list(sales_by_country(counted, refunded, country)),
        "customer_cohorts": list(customer_cohorts(counted)),
        "refund_reasons": list(refund_reasons(orders, refunds)),
    }


def sales(orders: list[Row], refunded: dict[int, Decimal]) -> Row:
    gross = sum((row["amount"] for row in orders), Decimal())
    back = sum((refunded[row["order_id"]] for row in orders), Decimal())
    return {"orders": len(orders), "gross": gross, "refunded": back, "net": gross - back}


def sales_daily(
    orders: list[Row], counted: list[Row], refunded: dict[int, Decimal]
) -> Iterator[Row]:
    days = [day_of(row) for row in orders]
    nets: dict[date, Decimal] = {}
    for number in range((max(days) - min(days)).days + 1):
        day = min(days) + timedelta(days=number)
        of_day = [row for row in counted if day_of(row) == day]
        row = sales(of_day, refunded)
        nets[day] = row["net"]
        week = [nets.get(day - timedelta(days=back), Decimal()) for back in range(7)]
        people = len({order["customer_id"] for order in of_day})
        yield {"day": day, "customers": people, "net_7_days": sum(week), **row}


def sales_by_country(
    counted: list[Row], refunded: dict[int, Decimal], country: dict[int, str]
) -> Iterator[Row]:
    for month in {month_of(row) for row in counted}:
        of_month = [row for row in counted if month_of(row) == month]
        total = sales(of_month, refunded)["net"]
        for name in {country.get(row["customer_id"], "unknown") for row in of_month}:
            there = [r for r in of_month if country.get(r["customer_id"], "unknown") == name]
            row = sales(there, refunded)
            share = round(row["net"] / total, 6) if total else None
            yield {"month": month, "country": name, "share": share, **row}


def customer_cohorts(counted: list[Row]) -> Iterator[Row]:
    months: dict[int, set[date]] = defaultdict(set)
    for row in counted:
        months[row["customer_id"]].add(month_of(row))
    known = sorted(set().union(*months.values()))
    for first in known:
        cohort = [seen for seen in months.values() if min(seen) == first]
        for month in (month for month in known if cohort and month >= first):
            active = sum(month in seen for seen in cohort)
            yield {
                "cohort_month": first,
                "month_number": 12 * (month.year - first.year) + month.month - first.month,
                "cohort_size": len(cohort),
                "customers": active,
                "share": round(Decimal(active) / len(cohort), 6),
            }


def refund_reasons(orders: list[Row], refunds: list[Row]) -> Iterator[Row]:
    ordered = {row["order_id"]: day_of(row) for row in orders}
    groups: dict[tuple[date, str], list[Row]] = defaultdict(list)
    for row in refunds:
        day = row["refunded_at"].date()
        groups[day.replace(day=1), row["reason"] or "unknown"].append(row)
    for (month, reason), rows in groups.items():
        delays = [
            (row["refunded_at"].date() - ordered[row["order_id"]]).days
            for row in rows
            if row["order_id"] in ordered
        ]
        yield {
            "month": month,
            "reason": reason,
            "refunds": len(rows),
            "amount": sum(row["amount"] for row in rows),
            "median_days": Decimal(median(delays)) if delays else None,
        }


def day_of(order: Row) -> date:
    day: date = order["ordered_at"].date()
    return day


def month_of(order: Row) -> date:
    return day_of(order).replace(day=1)


def plain(row: Row) -> list[tuple[str, str]]:
    """A row in one form, whatever the scale of its numbers."""
    return sorted(
        (name, f"{value.normalize() + 0:f}" if isinstance(value, Decimal) else str(value))
        for name, value in row.items()
    )


# --- the days -------------------------------------------------------------------------------------


def test_the_example_works_as_its_readme_says_and_follows_its_sources(shop: Shop) -> None:
    assert shop.differences() == {}
    assert len(shop.report("sales_daily")) > 180 and len(shop.report("customer_cohorts")) > 20
    assert (shop.folder / "dashboard.html").stat().st_size > 10_000
    before = {row["day"]: row for row in shop.report("sales_daily")}

    # A late order, the first of its customer; a refund of an old order; customers who move, or
    # whose account comes after their orders; an order that is cancelled, and one that was another's.
    change(
        shop.warehouse,
        "insert into public.orders (order_id, customer_id, ordered_at, amount)"
        " values (1001, 67, '2025-01-15 23:30+00', 12.5)",
        "update public.customers set country = 'JP', updated_at = now() where customer_id in (3, 9)",
        "insert into public.customers (customer_id, customer_name, country) values (61, 'eve', 'FR')",
        "update public.orders set status = 'cancelled', updated_at = now() where order_id = 50",
        "update public.orders set customer_id = 5, ordered_at = '2025-02-02 12:00+00',"
        " updated_at = now() where order_id = 120",
    )
    change(
        shop.payments,
        "insert into public.refunds (refund_id, order_id, refunded_at, amount, reason)"
        " values (501, 20, now(), 3.25, 'late')",
        "update public.refunds set order_id = 19, updated_at = now() where refund_id = 4",
    )
    said = shop.run("run-all")
    assert "new rows in raw.orders" in said and "never built" not in said
    assert shop.differences() == {}

    # What was published before is kept: of the day whose order was refunded, among others.
    assert scalar(shop.warehouse, "select count(*) from orchestrator.restatements") >= 5
    day = date(2025, 1, 1) + timedelta(hours=20 * 11)
    after = {row["day"]: row for row in shop.report("sales_daily")}
    assert after[day]["refunded"] - before[day]["refunded"] == Decimal("3.25")

    # A refund arrives before its order, and waits.
    change(
        shop.payments,
        "insert into public.refunds (refund_id, order_id, refunded_at, amount)"
        " values (502, 1002, now(), 4)",
    )
    assert "fact_orders.unknown" in shop.run("run-all")
    assert shop.differences() == {}
    checks = "select status from reporting.data_checks where check_name = 'fact_orders.unknown'"
    assert scalar(shop.warehouse, checks) == "warned"
    change(
        shop.warehouse,
        "insert into public.orders (order_id, customer_id, ordered_at, amount)"
        " values (1002, 2, '2025-07-20 10:00+00', 40)",
        # Only a reconcile finds what was deleted.
        "delete from public.orders where order_id = 7",
        "delete from public.customers where customer_id = 10",
        "update orchestrator.pipeline_definitions set on_delete = 'apply'",
    )
    for pipeline in ("orders", "customers"):
        shop.run("reconcile", pipeline)
    shop.run("run-all")
    assert shop.differences() == {}
    assert scalar(shop.warehouse, checks) == "passed"

    shop.run("verify")
    assert "up to date" in shop.run("run-all")


def test_what_a_person_runs_before_a_change_goes_live(shop: Shop) -> None:
    assert "14 scripts read what they declare" in shop.run("lint")
    assert "5 cases passed" in shop.run("test")
    assert "3 cards, no problems" in shop.run("dashboard", "--check")
    shop.run("build", "--target", "dev")
    shop.run("diff", "live", "dev")


def test_its_cases_run_where_a_table_stands_in_for_the_other_database(
    empty_database: Database,
) -> None:
    payments = (EXAMPLE / "payments.sql").read_text(encoding="utf-8")
    with empty_database.session("test") as session:
        session.run(payments)
    shop = Shop(EXAMPLE, empty_database, empty_database)
    shop.run("schema", "apply", "--yes")
    assert "no pipeline fills it" in shop.run("build", code=3)
    (add,) = re.findall(r"^    python -m runner (pipelines add .*)$", README, flags=re.MULTILINE)
    shop.run(*add.replace('--from "$address"', "").split())
    assert "5 cases passed" in shop.run("test")


def change(database: Database, *statements: str) -> None:
    with database.session("test") as session, session.transaction():
        for statement in statements:
            session.run(statement)
