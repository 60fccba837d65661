"""Many of everything: pipelines, scripts, categories and events of one user, events of one day.

Each is measured at half its size and at its size. What is linear costs twice as much then, what is
quadratic four times as much.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import PROJECT, RUNNER, Cost, Report, Server, server
from runner.database import embedded
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema

IDLE_LIMIT = 5.0  # seconds of CPU
GROWTH_LIMIT = 2.6  # x, when doubled
NOISE = 0.5  # seconds of CPU: what takes less grows by chance

CHAINS = 10  # in which scripts read each other
Costs = dict[str, Cost]
COLUMNS = (
    "event_time, user_id, event_type, transaction_category, miles_amount, platform, utm_source,"
    " country, created_at"
)
# A crowd of 500 users, for whom half a year is nothing special.
CROWD = 20_000
EVENTS = f"""
    insert into public.event_stream ({COLUMNS})
    select
        {{moment}}, {{user}},
        (array['miles_earned', 'miles_earned', 'miles_redeemed', 'reward_search', 'like', 'share'])
        [1 + number % 6],
        {{category}}, number % 900, (array['ios', 'web'])[1 + number % 2], 'google', 'SG',
        now()
    from generate_series(1::bigint, {{rows}}) as number
"""
SPREAD = "timestamptz '2026-01-05' + interval '180 days' * (number / {rows}.0)"
ONE_DAY = "timestamptz '2026-06-01' + interval '24 hours' * (number / ({rows}.0 + 1))"
KINDS = "(array['dining', 'travel', 'grocery'])[1 + number % 3]"
SOME_USER = "'u_' || number * 7919 % {users}"


def pipelines(throwaway: Server, size: int) -> Costs:
    """Rounds of pipelines with nothing new."""
    _apply(throwaway)
    throwaway.run("delete from orchestrator.pipeline_definitions")
    for first in range(0, size, 100):
        throwaway.run("".join(map(_pipeline, range(first, min(size, first + 100)))))
    command = [*RUNNER, "ingest"]
    throwaway.command_cost(command)
    throwaway.run("vacuum analyze")
    return {"ingest": throwaway.command_cost(command)[0]}


def _pipeline(number: int) -> str:
    name = f"many_{number}"
    return f"""
        create table public.{name} (id integer primary key, at timestamptz not null, what text);
        create index on public.{name} (at);
        insert into public.{name}
        select number, now() - number * interval '1 hour', 'x'
        from generate_series(1, 10) as number;
        insert into orchestrator.pipeline_definitions
        (pipeline_name, source_relation, cursor_column, key_columns)
        values ('{name}', 'public.{name}', 'at', '{{id}}');
    """


def scripts(throwaway: Server, size: int) -> Costs:
    """A project of so many scripts, most of which read one that is before them."""
    with tempfile.TemporaryDirectory(prefix="milepost-") as name:
        project = Path(name, "shop")
        throwaway.command_cost([*RUNNER[:-2], "init", str(project)])
        with (project / "sql/manifest.toml").open("a") as manifest:
            for number in range(size):
                needs = ["warehouse.fact_orders"]
                if number >= CHAINS:
                    needs.append(f"reporting.orders_{number - CHAINS}")
                manifest.write(f"\n[reporting.orders_{number}]\nneeds = {json.dumps(needs)}\n")
                _script(project, number)
        command = [*RUNNER[:-1], str(project)]
        for words in (["schema", "apply", "--yes"], ["ingest"]):
            throwaway.command_cost([*command, *words])
        words = {
            "lint": ["lint"],
            "plan": ["plan"],
            "first build": ["build"],
            "plan, nothing new": ["plan"],
            "build, nothing new": ["build"],
        }
        return {what: throwaway.command_cost([*command, *word])[0] for what, word in words.items()}


def _script(project: Path, number: int) -> None:
    name, earlier = f"orders_{number}", f"orders_{number - CHAINS}"
    union = (
        f"    union all\n    select day, 0 as orders\n    from {{{{ reporting }}}}.{earlier}\n"
        if number >= CHAINS
        else ""
    )
    (project / f"sql/reporting/{name}.sql").write_text(
        f"-- reporting.{name}\n-- Grain: one row per day (day).\n-- Rerun: whole.\n"
        "-- Why:   one of many.\n\n"
        "insert into {{ this }} (day, orders)\nselect day, sum(orders) as orders\nfrom (\n"
        "    select updated_at_day as day, 1 as orders\n"
        f"    from {{{{ warehouse }}}}.fact_orders\n{union}) as orders\ngroup by day;\n"
    )
    (project / f"schema/reporting/{name}.sql").write_text(
        f"create table if not exists {{{{ reporting }}}}.{name} (\n    day date not null,\n"
        f"    orders bigint not null,\n    constraint {name}_key primary key (day)\n);\n"
    )


def categories(throwaway: Server, size: int) -> Costs:
    """One user's events, each fifth in a category of its own."""
    category = f"'category_' || number % {size // 5}"
    return _warehouse(throwaway, size, SPREAD, "'whale'", category)


def day(throwaway: Server, size: int) -> Costs:
    """Events of one day, by 100 users each."""
    return _warehouse(throwaway, size, ONE_DAY, SOME_USER.format(users=size // 100), KINDS)


def user(throwaway: Server, size: int) -> Costs:
    """Events of one user, over half a year."""
    return _warehouse(throwaway, size, SPREAD, "'whale'", KINDS)


def _warehouse(throwaway: Server, size: int, moment: str, who: str, category: str) -> Costs:
    def arrive(rows: int, moment: str, who: str, category: str) -> None:
        moment = moment.format(rows=rows)
        throwaway.run(
            EVENTS.format(rows=rows, moment=moment, user=who, category=category),
            "vacuum analyze public.event_stream",
        )

    _apply(throwaway)
    arrive(CROWD, SPREAD, SOME_USER.format(users=500), KINDS)
    arrive(size, moment, who, category)
    time.sleep(3)  # they are settled then
    throwaway.command_cost([*RUNNER, "ingest"])
    throwaway.run("vacuum analyze", "checkpoint")
    found = {"first build": throwaway.command_cost([*RUNNER, "build"])[0]}
    throwaway.run("vacuum analyze", "checkpoint")
    arrive(10, moment, who, category)  # among the others, by their time
    time.sleep(3)
    throwaway.command_cost([*RUNNER, "ingest"])
    found["ten events more"] = throwaway.command_cost([*RUNNER, "build"])[0]
    found["verify"] = throwaway.command_cost([*RUNNER, "verify"])[0]
    return found


def _costs(case: Callable[[Server, int], Costs], size: int) -> Costs:
    # To flush thousands of small files takes minutes on some disks, and no CPU.
    with server(settings={**embedded.FAST, "fsync": "off"}) as throwaway:
        return case(throwaway, size)


def _apply(throwaway: Server) -> None:
    schema.apply(throwaway.database, load(PROJECT), Target())


CASES: dict[Callable[[Server, int], Costs], int] = {
    pipelines: 1_000,
    scripts: 300,
    categories: 50_000,
    day: 1_000_000,
    user: 500_000,
}


def measure(report: Report) -> None:
    """Measure each case at half its size and at its size."""
    for case, size in CASES.items():
        found = [_costs(case, half) for half in (size // 2, size)]
        for what, cost in found[1].items():
            name = f"{case.__name__}, {size:,}: {what}"
            limit = IDLE_LIMIT if case is pipelines else None
            report.costs(name, [cost], limit)
            growth = (cost.cpu + NOISE) / (found[0][what].cpu + NOISE)
            report.add(f"{name}, doubled", [growth], "x", GROWTH_LIMIT)
