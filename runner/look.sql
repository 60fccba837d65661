-- freshness --
-- How far the data go.
select
    pipelines.pipeline_name as pipeline,
    to_char(newest.high, 'YYYY-MM-DD HH24:MI:SS') as loaded_through,
    newest.guarantee,
    to_char(newest.finished_at, 'YYYY-MM-DD HH24:MI:SS') as ingested_at,
    failed.error as last_failure
from orchestrator.pipeline_definitions as pipelines
left join lateral (
    select
        runs.run_id,
        runs.high,
        runs.guarantee,
        runs.finished_at
    from orchestrator.runs as runs
    where
        runs.pipeline_id = pipelines.pipeline_id
        and runs.kind = 'window'
        and runs.status = 'succeeded'
    order by runs.run_id desc
    limit 1
) as newest on true
left join lateral (
    select runs.error
    from orchestrator.runs as runs
    where
        runs.pipeline_id = pipelines.pipeline_id
        and runs.status = 'failed'
        and runs.run_id > coalesce(newest.run_id, 0)
    order by runs.run_id desc
    limit 1
) as failed on true
where pipelines.is_enabled
order by pipelines.pipeline_id

-- last_builds --
-- The last build, and the last that succeeded.
select
    builds.run_id as build,
    builds.status,
    to_char(builds.started_at, 'YYYY-MM-DD HH24:MI:SS') as started_at,
    round(extract(epoch from builds.elapsed), 2) as seconds,
    builds.rows_inserted + builds.rows_updated + builds.rows_deleted as rows_changed,
    builds.error
from orchestrator.runs as builds
where
    builds.kind = 'build'
    and builds.target = %(target)s
    and builds.run_id >= coalesce(
        (
            select max(succeeded.run_id)
            from orchestrator.runs as succeeded
            where
                succeeded.kind = 'build'
                and succeeded.target = %(target)s
                and succeeded.status = 'succeeded'
        ),
        0
    )
order by builds.run_id desc
limit 5

-- bad_checks --
-- Checks whose last result is not that they passed.
select
    newest.check_name,
    newest.status,
    newest.bad_rows,
    newest.run_id as build
from (
    select distinct on (results.script, results.check_name)
        results.check_name,
        results.status,
        results.bad_rows,
        results.run_id
    from orchestrator.check_results as results
    inner join orchestrator.runs as builds on builds.run_id = results.run_id
    where builds.target = %(target)s
    order by results.script, results.check_name, results.check_result_id desc
) as newest
where newest.status <> 'passed'
order by newest.check_name

-- runs --
-- The last runs, newest first.
select
    runs.run_id as run,
    runs.kind,
    coalesce(pipelines.pipeline_name, runs.script, runs.target) as what,
    runs.status,
    to_char(runs.started_at, 'YYYY-MM-DD HH24:MI:SS') as started_at,
    round(extract(epoch from runs.elapsed), 2) as seconds,
    runs.rows_inserted as inserted,
    runs.rows_updated as updated,
    runs.rows_deleted as deleted,
    to_char(runs.high, 'YYYY-MM-DD HH24:MI:SS') as up_to,
    runs.error
from orchestrator.runs as runs
left join orchestrator.pipeline_definitions as pipelines on pipelines.pipeline_id = runs.pipeline_id
where runs.kind <> 'script' or %(scripts)s
order by runs.run_id desc
limit %(last)s

-- logs --
-- The last messages, newest first.
select
    to_char(logs.logged_at, 'YYYY-MM-DD HH24:MI:SS') as logged_at,
    logs.level,
    logs.run_id as run,
    pipelines.pipeline_name as pipeline,
    logs.message
from orchestrator.logs as logs
left join orchestrator.pipeline_definitions as pipelines on pipelines.pipeline_id = logs.pipeline_id
where %(run_id)s::bigint is null or logs.run_id = %(run_id)s
order by logs.log_id desc
limit %(last)s
