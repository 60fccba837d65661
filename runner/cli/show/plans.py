"""Shows what a build would do, from a build that was rolled back."""

from collections.abc import Sequence
from dataclasses import asdict, astuple
from decimal import Decimal

from runner.cli import output
from runner.cli.show import build as show_build
from runner.database.session import Database
from runner.preview import explain as preview
from runner.preview.explain import Explained
from runner.project.manifest import Manifest
from runner.project.target import Target

SHOWN_PLANS = 3


def show(database: Database, manifest: Manifest, target: Target, patterns: Sequence[str]) -> None:
    """Run a build, roll it back, and show what each script did."""
    found = preview.explain(database, manifest, target, patterns)
    output.data([_as_data(each) for each in found])
    rows = [
        {
            "script": each.tried.step.script.key,
            "build": each.tried.step.mode,
            "rows": output.row_counts(*astuple(each.tried.changes)),
            "seconds": Decimal(f"{each.tried.seconds:.2f}"),
            "lock": each.lock,
            "why": each.tried.step.reason,
        }
        for each in found
    ]
    output.table(rows, "up to date")
    if any(each.plans is None for each in found):
        output.warn("no plans: this role may not load auto_explain", "a superuser may")
    plans = [(each.tried.step.script.key, plan) for each in found for plan in each.plans or ()]
    plans.sort(key=lambda pair: -pair[1].seconds)
    for key, plan in plans[:SHOWN_PLANS]:
        output.say(f"\n{key}, {plan.seconds:.2f}s, cost {plan.cost:,.0f}")
        output.say(plan.text)


def _as_data(each: Explained) -> dict[str, object]:
    return {
        **show_build.script_as_data(each.tried),
        "lock": each.lock,
        "plans": None if each.plans is None else [asdict(plan) for plan in each.plans],
    }
