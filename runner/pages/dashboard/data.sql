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

-- has_notes --
-- Whether this project has the two tables that people fill.
select
    to_regclass('reporting.annotations') is not null
    and to_regclass('reporting.goals') is not null as has_notes

-- annotations --
select
    annotations.day,
    annotations.slice,
    annotations.slice_value,
    annotations.text
from reporting.annotations
order by annotations.day, annotations.slice, annotations.slice_value, annotations.text

-- goals --
select
    goals.figure,
    goals.from_day,
    goals.value
from reporting.goals
order by goals.figure, goals.from_day

-- newest_build --
select coalesce(max(runs.run_id), 0) as build
from orchestrator.runs as runs
where runs.kind in ('build', 'rebuild') and runs.status = 'succeeded'
