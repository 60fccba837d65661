"""dags/warehouse.py: a round every 15 minutes, then whether today's numbers are good.

The workers have Milepost installed, the project's folder, and DATABASE_URL. Airflow retries and
tells; what is loaded, built and checked is Milepost's, and recorded in the database. Two rounds
exclude each other by locks there, whoever starts them.

Tried: a test of Milepost runs both tasks, on a real database, where Airflow is installed; it was,
as apache-airflow-core 3.3 with apache-airflow-task-sdk. No scheduler was started.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import dag, task

PROJECT = os.environ.get("MILEPOST_PROJECT", "/srv/warehouse")


@dag(
    schedule=timedelta(minutes=15),
    start_date=datetime(2026, 1, 1),
    catchup=False,  # a round brings all that is new, so there is nothing to catch up with
    max_active_runs=1,
)
def warehouse() -> None:
    @task(retries=2, retry_delay=timedelta(minutes=1))
    def run_all() -> dict[str, int | None]:
        # Here and not above: a scheduler reads this file every few seconds.
        from runner import Project

        done = Project.open(PROJECT).run_all()
        return {"runs": len(done.runs), "build": done.build.run_id}

    @task(trigger_rule="all_done")
    def status() -> None:
        from runner import Project

        found = Project.open(PROJECT).status()
        if not found.is_good:
            raise RuntimeError(
                "; ".join(f"{row['what']}: {row['problem']}" for row in found.problems)
            )

    run_all() >> status()


warehouse()
