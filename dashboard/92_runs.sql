-- Runs
-- Question: What ran last, and how did it end?
-- Meaning:  The last twenty windows of ingestion and builds; the time and rows of a build include
--           its scripts. A run that failed or was rolled back has changed nothing that readers see.
--           The reason may contain a row, so it is not shown here: python -m runner runs show RUN.
-- Columns:
--     run_id: Run
--     kind: Kind, text
--     pipeline_name: Pipeline, text
--     status: Status, text
--     started_at: Started (UTC), time
--     elapsed_seconds: Seconds, decimal, bar
--     rows_written: Rows written, number
--     sqlstate: Error class, text

select
    runs.run_id,
    runs.kind,
    runs.pipeline_name,
    runs.status,
    runs.started_at,
    runs.elapsed_seconds,
    coalesce(runs.rows_inserted, 0)
    + coalesce(runs.rows_updated, 0)
    + coalesce(runs.rows_deleted, 0) as rows_written,
    runs.sqlstate
from reporting.pipeline_runs as runs
where runs.kind != 'script' and runs.status != 'running'
order by runs.run_id desc
limit 20;
