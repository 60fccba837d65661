-- standing --
-- How far the data go, and how the last build ended.
select
    (select min(freshness.loaded_through) from reporting.freshness) as loaded_through,
    (select max(freshness.newest_event) from reporting.freshness) as newest_event,
    (select max(freshness.built_at) from reporting.freshness) as built_at,
    (
        select runs.status
        from reporting.pipeline_runs as runs
        where runs.kind in ('build', 'rebuild') and runs.status != 'running'
        order by runs.run_id desc
        limit 1
    ) as last_status,
    (
        select coalesce(array_agg(checks.check_name order by checks.check_name), '{}')
        from reporting.data_checks as checks
        where checks.status = 'failed'
    ) as failed_checks

-- behind --
-- Pipelines that bring in no new rows: late, or failed the last time.
select
    freshness.pipeline_name as pipeline,
    freshness.replica,
    freshness.loaded_through
from reporting.freshness
left join lateral (
    select runs.status
    from reporting.pipeline_runs as runs
    where runs.pipeline_name = freshness.pipeline_name and runs.status <> 'skipped'
    order by runs.run_id desc
    limit 1
) as last_run on true
where freshness.status <> 'fresh' or last_run.status in ('failed', 'abandoned')
order by freshness.pipeline_name

-- newest_build --
select coalesce(max(runs.run_id), 0) as build
from orchestrator.runs as runs
where runs.kind in ('build', 'rebuild') and runs.status = 'succeeded'
