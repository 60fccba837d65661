-- problems --
-- What needs a person before today's numbers can be trusted.
with newest as (
    select
        pipelines.pipeline_id,
        pipelines.pipeline_name,
        pipelines.freshness_warn_after,
        pipelines.freshness_fail_after,
        -- Without a key there is nothing that a sweep could tell.
        case when cardinality(pipelines.key_columns) > 0 then pipelines.sweep_every end
            as sweep_every,
        last_run.status,
        last_run.error,
        (
            select max(runs.high)
            from orchestrator.runs as runs
            where
                runs.pipeline_id = pipelines.pipeline_id
                and runs.kind = 'window'
                and runs.status in ('succeeded', 'rolled_back')
        ) as loaded_through,
        (
            select max(runs.run_id)
            from orchestrator.runs as runs
            where
                runs.pipeline_id = pipelines.pipeline_id
                and runs.status = 'succeeded'
                and runs.rows_inserted + runs.rows_updated + runs.rows_deleted > 0
        ) as last_change
    from orchestrator.pipeline_definitions as pipelines
    left join lateral (
        select
            runs.status,
            runs.error
        from orchestrator.runs as runs
        where runs.pipeline_id = pipelines.pipeline_id and runs.status <> 'skipped'
        order by runs.run_id desc
        limit 1
    ) as last_run on true
    where pipelines.is_enabled
),

last_build as (
    select
        builds.run_id,
        builds.status,
        builds.error
    from orchestrator.runs as builds
    where
        builds.kind in ('build', 'rebuild')
        and builds.target = %(target)s
        and builds.status <> 'skipped'
    order by builds.run_id desc
    limit 1
),

last_verdict as (
    select
        verdicts.run_id,
        verdicts.kind,
        verdicts.status,
        verdicts.error
    from orchestrator.runs as verdicts
    where
        verdicts.kind in ('rebuild', 'verify')
        and verdicts.target = %(target)s
        and (
            verdicts.status = 'succeeded'
            or (verdicts.status = 'failed' and verdicts.error like 'not what a rebuild gives%%')
        )
    order by verdicts.run_id desc
    limit 1
),

consumed as (
    select
        inputs.pipeline_id,
        max(inputs.through_run_id) as through_run_id
    from orchestrator.build_inputs as inputs
    inner join orchestrator.runs as builds on builds.run_id = inputs.run_id
    where builds.target = %(target)s
    group by inputs.pipeline_id
)

select
    'pipeline ' || newest.pipeline_name as what,
    case
        when newest.loaded_through is null then 'has never succeeded'
        when now() - newest.loaded_through > newest.freshness_fail_after then 'is stale'
        else 'is late'
    end || coalesce(': loaded through ' || to_char(newest.loaded_through, 'YYYY-MM-DD HH24:MI'), '')
        as problem,
    'run ingest' as remedy
from newest
where
    newest.loaded_through is null
    or now() - newest.loaded_through
    > least(newest.freshness_warn_after, newest.freshness_fail_after)
union all
select
    'pipeline ' || newest.pipeline_name as what,
    'its last run ' || newest.status || coalesce(': ' || newest.error, '') as problem,
    'mend the cause, run ingest' as remedy
from newest
where newest.status in ('failed', 'abandoned')
union all
select
    'pipeline ' || newest.pipeline_name as what,
    'its last sweep was ' || coalesce(
        'on ' || to_char(swept.finished_at, 'YYYY-MM-DD HH24:MI'), 'never'
    ) || ', and one is due every ' || newest.sweep_every as problem,
    'run ingest --sweep' as remedy
from newest
left join lateral (
    select runs.finished_at
    from orchestrator.runs as runs
    where
        runs.pipeline_id = newest.pipeline_id
        and runs.horizon_scope = 'table'
        and runs.status = 'succeeded'
    order by runs.run_id desc
    limit 1
) as swept on true
left join lateral (
    select runs.started_at
    from orchestrator.runs as runs
    where runs.pipeline_id = newest.pipeline_id
    order by runs.run_id
    limit 1
) as first_run on true
-- Between one and two an ingest may be about to do it.
where
    coalesce(swept.finished_at, first_run.started_at) < now() - 2 * newest.sweep_every
union all
select
    'pipeline ' || newest.pipeline_name as what,
    rejected.rows || case rejected.rows when 1 then ' row waits' else ' rows wait' end
    || ' that could not be stored: ' || rejected.reason as problem,
    'look: orchestrator.rejected_rows, mend the source or column_types, run ingest --sweep'
        as remedy
from newest
cross join lateral (
    select
        count(*) as rows,
        mode() within group (order by waiting.reason) as reason
    from orchestrator.rejected_rows as waiting
    where waiting.pipeline_id = newest.pipeline_id and waiting.resolved_run_id is null
) as rejected
where rejected.rows > 0
union all
-- A promise that fell is told for a week; then it is what the source is like.
select
    'pipeline ' || newest.pipeline_name as what,
    'promises less than before, ' || promises.best || ' -> ' || promises.word || ': '
    || promises.note as problem,
    'look: pipelines show ' || newest.pipeline_name as remedy
from newest
cross join lateral (
    select
        (array_agg(windows.guarantee order by windows.run_id desc))[1] as word,
        (array_agg(windows.guarantee_note order by windows.run_id desc))[1] as note,
        (
            array_agg(
                windows.guarantee
                order by array_position(
                    array['exact', 'settled', 'lookback', 'best_effort'], windows.guarantee
                )
            )
        )[1] as best
    from orchestrator.runs as windows
    where
        windows.pipeline_id = newest.pipeline_id
        and windows.kind = 'window'
        and windows.status = 'succeeded'
        and windows.guarantee is not null
        and windows.finished_at > now() - interval '7 days'
) as promises
where promises.word <> promises.best
union all
select
    'build ' || last_build.run_id as what,
    'the last build ' || last_build.status || coalesce(': ' || last_build.error, '') as problem,
    'mend the cause, run build' as remedy
from last_build
where last_build.status in ('failed', 'abandoned')
union all
select
    'verify ' || last_verdict.run_id as what,
    'the tables are not known to be right: ' || last_verdict.error as problem,
    'run verify --repair' as remedy
from last_verdict
where
    last_verdict.kind = 'verify'
    and last_verdict.status = 'failed'
union all
select
    'tables' as what,
    'nothing was built yet' as problem,
    'run build' as remedy
where not exists (select from last_build)
union all
select
    'tables' as what,
    'rows of ' || string_agg(newest.pipeline_name, ', ')
    || ' are ingested and not built' as problem,
    'run build' as remedy
from newest
inner join last_build on true
left join consumed on consumed.pipeline_id = newest.pipeline_id
where newest.last_change > coalesce(consumed.through_run_id, 0)
having count(*) > 0
union all
select
    'run ' || runs.run_id as what,
    'says that it is running, but its process is gone' as problem,
    'the next run marks it abandoned' as remedy
from orchestrator.runs as runs
where
    runs.status = 'running'
    and not exists (
        select
        from pg_stat_activity as activity
        where activity.pid = runs.backend_pid
    )
union all
select
    'check ' || latest.check_name as what,
    latest.status || ' with ' || latest.bad_rows || ' bad rows' as problem,
    'look: runs show ' || latest.run_id as remedy
from (
    select distinct on (results.script, results.check_name)
        results.check_name,
        results.status,
        results.bad_rows,
        results.run_id
    from orchestrator.check_results as results
    inner join orchestrator.runs as builds on builds.run_id = results.run_id
    where
        builds.target = %(target)s
        -- What a failed build found is told until a later one succeeds.
        and (
            builds.status = 'succeeded'
            or builds.run_id = (select last_build.run_id from last_build)
        )
    order by results.script, results.check_name, results.check_result_id desc
) as latest
where latest.status <> 'passed'

-- freshness --
-- How far the data go, and when the whole source was last searched for rows that came late.
select
    pipelines.pipeline_name as pipeline,
    case
        when newest.high is null then 'never'
        when now() - newest.high > pipelines.freshness_fail_after then 'stale'
        when now() - newest.high > pipelines.freshness_warn_after then 'late'
        else 'fresh'
    end as status,
    to_char(newest.high, 'YYYY-MM-DD HH24:MI:SS') as loaded_through,
    newest.guarantee,
    to_char(newest.finished_at, 'YYYY-MM-DD HH24:MI:SS') as ingested_at,
    to_char(searched.finished_at, 'YYYY-MM-DD HH24:MI:SS') as searched_at
from orchestrator.pipeline_definitions as pipelines
left join lateral (
    select
        runs.high,
        runs.guarantee,
        runs.finished_at
    from orchestrator.runs as runs
    where
        runs.pipeline_id = pipelines.pipeline_id
        and runs.kind = 'window'
        and runs.status in ('succeeded', 'rolled_back')
    order by runs.run_id desc
    limit 1
) as newest on true
left join lateral (
    select runs.finished_at
    from orchestrator.runs as runs
    where
        runs.pipeline_id = pipelines.pipeline_id
        and runs.horizon_scope = 'table'
        and runs.status = 'succeeded'
    order by runs.run_id desc
    limit 1
) as searched on true
where pipelines.is_enabled
order by pipelines.pipeline_id

-- last_builds --
-- The last build, and the last that succeeded.
select
    builds.run_id as build,
    builds.status,
    to_char(builds.started_at, 'YYYY-MM-DD HH24:MI:SS') as started_at,
    round(extract(epoch from builds.elapsed), 2) as seconds,
    builds.rows_inserted + builds.rows_updated + builds.rows_deleted as rows_changed
from orchestrator.runs as builds
where
    builds.kind in ('build', 'rebuild')
    and builds.target = %(target)s
    and builds.status <> 'skipped'
    and builds.run_id >= coalesce(
        (
            select max(succeeded.run_id)
            from orchestrator.runs as succeeded
            where
                succeeded.kind in ('build', 'rebuild')
                and succeeded.target = %(target)s
                and succeeded.status = 'succeeded'
        ),
        0
    )
order by builds.run_id desc
limit 5

-- check_counts --
-- Checks by their last result.
select
    latest.status,
    count(*) as checks
from (
    select distinct on (results.script, results.check_name) results.status
    from orchestrator.check_results as results
    inner join orchestrator.runs as builds on builds.run_id = results.run_id
    where builds.target = %(target)s
    order by results.script, results.check_name, results.check_result_id desc
) as latest
group by latest.status
order by latest.status
