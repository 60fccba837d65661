-- standing --
-- How far the data go, and how the last build ended.
select
    (select min(freshness.loaded_through) from reporting.freshness) as loaded_through,
    (select max(freshness.newest_event) from reporting.freshness) as newest_event,
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
    -- A source that is read, but brings nothing, has been quiet since its newest row.
    case
        when last_run.status in ('failed', 'abandoned') then freshness.loaded_through
        else coalesce(freshness.newest_arrival, freshness.loaded_through)
    end as since
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
order by
    annotations.day,
    annotations.slice,
    annotations.slice_value,
    annotations.text

-- goals --
select
    goals.figure,
    goals.from_day,
    goals.value
from reporting.goals
order by goals.figure, goals.from_day

-- newest_build --
-- By the reports' view: whoever may only read reports can ask this too.
select coalesce(max(runs.run_id), 0) as build
from reporting.pipeline_runs as runs
where runs.kind in ('build', 'rebuild') and runs.status = 'succeeded'

-- reach --
-- Whether there is a ledger that this role may not look into, and reports that it may read. Asks
-- for nothing by name: that alone takes the right to use a schema.
select
    coalesce(
        bool_or(
            not has_schema_privilege(schemas.oid, 'usage')
            or not has_table_privilege(tables.oid, 'select')
        ) filter (where schemas.nspname = 'orchestrator' and tables.relname = 'schema_version'),
        false
    ) as is_kept_out,
    coalesce(
        bool_or(
            has_schema_privilege(schemas.oid, 'usage')
            and has_table_privilege(tables.oid, 'select')
        )
        filter (where schemas.nspname = 'reporting' and tables.relname = 'pipeline_runs'),
        false
    ) as reads_reports
from pg_class as tables
inner join pg_namespace as schemas on schemas.oid = tables.relnamespace
where (schemas.nspname, tables.relname) in (
    ('orchestrator', 'schema_version'), ('reporting', 'pipeline_runs')
)
