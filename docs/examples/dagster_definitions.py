"""definitions.py: the warehouse as an asset that is materialized every 15 minutes, with a check.

Where it runs there are Milepost, the project's folder, and DATABASE_URL. Dagster retries and tells;
what is loaded, built and checked is Milepost's, and recorded in the database. Two rounds exclude
each other by locks there, whoever starts them.

Tried: a test of Milepost materializes the asset on a real database where Dagster is installed; it
was, as dagster 1.13. No daemon was started.
"""

import os

import dagster

from runner import Project

PROJECT = os.environ.get("MILEPOST_PROJECT", "/srv/warehouse")


@dagster.asset(retry_policy=dagster.RetryPolicy(max_retries=2, delay=60))
def warehouse() -> dagster.MaterializeResult:
    """All tables of the project: one round brings what is new, and builds what follows."""
    done = Project.open(PROJECT).run_all()
    new = sum(result.changes.inserted for result in done.build.results)
    metadata = {"build": done.build.run_id or 0, "runs": len(done.runs), "new rows": new}
    return dagster.MaterializeResult(metadata=metadata)


@dagster.asset_check(asset=warehouse)
def numbers_are_good() -> dagster.AssetCheckResult:
    """Whether today's numbers can be trusted, and if not, why."""
    status = Project.open(PROJECT).status()
    problems = [f"{row['what']}: {row['problem']}" for row in status.problems]
    return dagster.AssetCheckResult(passed=status.is_good, metadata={"problems": problems})


definitions = dagster.Definitions(
    assets=[warehouse],
    asset_checks=[numbers_are_good],
    schedules=[
        dagster.ScheduleDefinition(
            name="every_15_minutes", target=[warehouse], cron_schedule="*/15 * * * *"
        )
    ],
)
