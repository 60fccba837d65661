-- problems --
-- The problems of a target, each with its remedy. `what` and `kind` identify a problem while it
-- lasts; its text may change.
with pipelines as (
    select
        freshness.pipeline_id,
        freshness.pipeline_name as name,
        freshness.is_enabled,
        freshness.replica,
        freshness.replica = any(%(needed)s) as is_needed,
        freshness.loaded_through,
        freshness.runner_status,
        freshness.data_status,
        freshness.newest_event,
        freshness.newest_arrival,
        freshness.usual_gap,
        definitions.source_relation,
        definitions.data_warn_after,
        definitions.data_fail_after,
        definitions.quiet_gaps,
        -- A sweep needs a key to match rows by.
        case when cardinality(definitions.key_columns) > 0 then definitions.sweep_every end
            as sweep_every,
        (
            select to_regclass(string_agg(quote_ident(part), '.' order by place))
            from unnest(string_to_array(freshness.replica, '.')) with ordinality as p (part, place)
        ) as stored,
        (
            select max(run_id)
            from orchestrator.runs
            where
                runs.pipeline_id = freshness.pipeline_id
                and status = 'succeeded'
                and rows_inserted + rows_updated + rows_deleted > 0
        ) as last_change
    from orchestrator.pipeline_freshness as freshness
    inner join orchestrator.pipeline_definitions as definitions
        on definitions.pipeline_id = freshness.pipeline_id
    where freshness.is_enabled or freshness.replica = any(%(needed)s)
),

-- A row for each pipeline: what its runs say of it.
recorded as (
    select
        pipelines.pipeline_id,
        first_run.started_at,
        last_run.status,
        last_run.error,
        loaded.file,
        swept.finished_at as swept_at,
        reconciled.rows_left,
        reconciled.finished_at as reconciled_at,
        promised.guarantee,
        promised.guarantee_note,
        rejected.rows_rejected,
        rejected.reason
    from pipelines
    left join lateral (
        select started_at
        from orchestrator.runs
        where runs.pipeline_id = pipelines.pipeline_id
        order by run_id
        limit 1
    ) as first_run on true
    left join lateral (
        select status, error
        from orchestrator.runs
        where runs.pipeline_id = pipelines.pipeline_id and status <> 'skipped'
        order by run_id desc
        limit 1
    ) as last_run on true
    left join lateral (
        select (regexp_match(horizon_chain, '/(\d+)/[^/]*$'))[1] as file
        from orchestrator.runs
        where
            runs.pipeline_id = pipelines.pipeline_id
            and status = 'succeeded'
            and horizon_chain is not null
        order by run_id desc
        limit 1
    ) as loaded on true
    left join lateral (
        select finished_at
        from orchestrator.runs
        where
            runs.pipeline_id = pipelines.pipeline_id
            and horizon_scope = 'table'
            and status = 'succeeded'
        order by run_id desc
        limit 1
    ) as swept on true
    left join lateral (
        select rows_left, finished_at
        from orchestrator.runs
        where
            runs.pipeline_id = pipelines.pipeline_id
            and kind = 'reconcile'
            and status = 'succeeded'
        order by run_id desc
        limit 1
    ) as reconciled on true
    left join lateral (
        select guarantee, guarantee_note
        from orchestrator.runs
        where
            runs.pipeline_id = pipelines.pipeline_id
            and kind = 'window'
            and status = 'succeeded'
            and guarantee is not null
        order by run_id desc
        limit 1
    ) as promised on true
    cross join lateral (
        select count(*) as rows_rejected, mode() within group (order by waiting.reason) as reason
        from orchestrator.rejected_rows as waiting
        where waiting.pipeline_id = pipelines.pipeline_id and waiting.resolved_run_id is null
    ) as rejected
),

last_build as (
    select run_id, status, error
    from orchestrator.runs
    where kind in ('build', 'rebuild') and target = %(target)s and status <> 'skipped'
    order by run_id desc
    limit 1
),

last_verdict as (
    select run_id, kind, status, error
    from orchestrator.runs
    where
        kind in ('rebuild', 'verify')
        and target = %(target)s
        and (
            status = 'succeeded'
            or (status = 'failed' and error like 'not what a rebuild gives%%')
        )
    order by run_id desc
    limit 1
),

consumed as (
    select inputs.pipeline_id, max(inputs.through_run_id) as through_run_id
    from orchestrator.build_inputs as inputs
    inner join orchestrator.runs as builds on builds.run_id = inputs.run_id
    where builds.target = %(target)s
    group by inputs.pipeline_id
)

select
    'raw.' || replace(needs.replica, 'warehouse.raw_', '') as what,
    'missing' as kind,
    'scripts need it, but no pipeline fills it' as problem,
    'run pipelines add' as remedy
from unnest(%(needed)s::text[]) as needs (replica)
where not exists (select from pipelines where pipelines.replica = needs.replica)
union all
select 'pipeline ' || pipelines.name, problems.kind, problems.problem, problems.remedy
from pipelines
inner join recorded on recorded.pipeline_id = pipelines.pipeline_id
cross join lateral (
    values
    (
        'disabled',
        not is_enabled,
        'scripts need it, but it is disabled',
        'run pipelines enable ' || name
    ),
    (
        'late',
        runner_status <> 'fresh',
        case runner_status
            when 'never' then 'has never succeeded'
            else 'is ' || runner_status
        end || coalesce(': loaded through ' || to_char(loaded_through, 'YYYY-MM-DD HH24:MI'), ''),
        'run ingest'
    ),
    (
        'silent',
        data_status <> 'fresh',
        case
            when now() - newest_arrival > quiet_gaps * usual_gap
                then
                    'no row has arrived since ' || to_char(newest_arrival, 'YYYY-MM-DD HH24:MI')
                    || ', over ' || trim_scale(quiet_gaps) || ' times the usual gap of '
                    || justify_hours(date_trunc('minute', usual_gap + interval '30 seconds'))
            else
                'its newest row is from '
                || to_char(coalesce(newest_event, newest_arrival), 'YYYY-MM-DD HH24:MI')
                || ', older than '
                || case data_status when 'stale' then data_fail_after else data_warn_after end
        end,
        'check what writes ' || source_relation
    ),
    (
        'dropped',
        loaded_through is not null and stored is null,
        'its replica ' || replica || ' does not exist',
        'run ingest'
    ),
    (
        'emptied',
        last_change is not null
        and pg_relation_size(stored) = 0
        and file <> orchestrator.storage_file(stored)::text,
        'its replica ' || replica || ' was emptied since it was last loaded',
        'run ingest'
    ),
    (
        'promise',
        guarantee not in ('exact', 'settled'),
        'guarantee is only ' || guarantee || ': ' || guarantee_note,
        'see: pipelines show ' || name
    ),
    (
        'left',
        rows_left > 0,
        rows_left || ' rows are no longer in the source, and were left in the replica on '
        || to_char(reconciled_at, 'YYYY-MM-DD HH24:MI'),
        'set on_delete to mark or apply, then run reconcile ' || name
    ),
    (
        'failed',
        status in ('failed', 'abandoned'),
        case error
            when 'interrupted' then 'its last run was interrupted'
            else 'its last run ' || status || coalesce(': ' || error, '')
        end,
        case error when 'interrupted' then 'run ingest' else 'fix the cause, then run ingest' end
    ),
    (
        'sweep',
        -- Until twice the interval has passed, the next ingest may still do it in time.
        coalesce(swept_at, started_at) < now() - 2 * sweep_every,
        'its last sweep was ' || coalesce('on ' || to_char(swept_at, 'YYYY-MM-DD HH24:MI'), 'never')
        || ', and one is due every ' || sweep_every,
        'run ingest --sweep'
    ),
    (
        'rejected',
        rows_rejected > 0,
        rows_rejected || case rows_rejected when 1 then ' row is' else ' rows are' end
        || ' rejected: ' || reason,
        'see orchestrator.rejected_rows; fix the source or column_types; run ingest --sweep'
    ),
    (
        'promise',
        -- A fall is reported for a week. After that, settled is normal for the source.
        guarantee = 'settled'
        and exists (
            select
            from orchestrator.runs as earlier
            where
                earlier.pipeline_id = pipelines.pipeline_id
                and earlier.kind = 'window'
                and earlier.status = 'succeeded'
                and earlier.guarantee = 'exact'
                and earlier.finished_at > now() - interval '7 days'
        ),
        'guarantee has fallen from exact to settled: ' || guarantee_note,
        'see: pipelines show ' || name
    )
) as problems (kind, applies, problem, remedy)
where problems.applies
union all
select
    'build ' || run_id,
    'failed',
    case error
        when 'interrupted' then 'the last build was interrupted'
        else 'the last build ' || status || coalesce(': ' || error, '')
    end,
    case error when 'interrupted' then 'run build' else 'fix the cause, then run build' end
from last_build
where status in ('failed', 'abandoned')
union all
select
    'verify ' || run_id,
    'differs',
    'the last verify found differences: ' || error,
    'run verify --repair'
from last_verdict
where kind = 'verify' and status = 'failed'
union all
select 'tables', 'unbuilt', 'nothing has been built yet', 'run build'
where not exists (select from last_build)
union all
select
    'tables',
    'unbuilt',
    'rows of ' || string_agg(pipelines.name, ', ') || ' are ingested but not built',
    'run build'
from pipelines
inner join last_build on true
left join consumed on consumed.pipeline_id = pipelines.pipeline_id
where pipelines.is_needed and pipelines.last_change > coalesce(consumed.through_run_id, 0)
having count(*) > 0
union all
select
    'run ' || run_id,
    'dead',
    'is recorded as running, but its process has ended',
    'the next run marks it abandoned'
from orchestrator.runs
where
    status = 'running'
    and not exists (select from pg_stat_activity as activity where activity.pid = backend_pid)
union all
select
    'check ' || latest.check_name,
    'check',
    latest.status || ' with ' || latest.bad_rows || ' bad rows',
    'see: runs show ' || latest.run_id
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
        -- Results of a failed build count until a later build succeeds.
        and (
            builds.status = 'succeeded'
            or builds.run_id = (select last_build.run_id from last_build)
        )
    order by results.script, results.check_name, results.check_result_id desc
) as latest
where latest.status <> 'passed'

-- freshness --
-- How far each pipeline has loaded, how new its newest row is, and when its whole source was last
-- searched for late rows.
select
    pipelines.pipeline_name as pipeline,
    pipelines.status,
    pipelines.replica,
    pipelines.replica = any(%(needed)s) as is_needed,
    to_char(pipelines.loaded_through, 'YYYY-MM-DD HH24:MI:SSTZH:TZM') as loaded_through,
    to_char(pipelines.newest_event, 'YYYY-MM-DD HH24:MI:SSTZH:TZM') as newest_event,
    to_char(pipelines.newest_arrival, 'YYYY-MM-DD HH24:MI:SSTZH:TZM') as newest_arrival,
    newest.guarantee,
    to_char(newest.finished_at, 'YYYY-MM-DD HH24:MI:SSTZH:TZM') as ingested_at,
    to_char(searched.finished_at, 'YYYY-MM-DD HH24:MI:SSTZH:TZM') as searched_at,
    to_char(reconciled.finished_at, 'YYYY-MM-DD HH24:MI:SSTZH:TZM') as reconciled_at
from orchestrator.pipeline_freshness as pipelines
left join lateral (
    select
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
left join lateral (
    select runs.finished_at
    from orchestrator.runs as runs
    where
        runs.pipeline_id = pipelines.pipeline_id
        and runs.kind = 'reconcile'
        and runs.status = 'succeeded'
    order by runs.run_id desc
    limit 1
) as reconciled on true
where pipelines.is_enabled or pipelines.replica = any(%(needed)s)
order by pipelines.pipeline_id

-- unknown_gaps --
-- Needed pipelines whose source could stop sending rows unnoticed: they have no limit, and no usual
-- gap between rows is known yet.
select pipelines.pipeline_name as pipeline
from orchestrator.pipeline_freshness as pipelines
inner join orchestrator.pipeline_definitions as definitions
    on definitions.pipeline_id = pipelines.pipeline_id
where
    pipelines.replica = any(%(needed)s)
    and definitions.is_enabled
    and pipelines.usual_gap is null
    and definitions.quiet_gaps is not null
    and coalesce(definitions.data_warn_after, definitions.data_fail_after) is null
order by pipelines.pipeline_id

-- last_builds --
-- The latest builds, back to the last that succeeded.
select
    builds.run_id as build,
    builds.status,
    to_char(builds.started_at, 'YYYY-MM-DD HH24:MI:SSTZH:TZM') as started_at,
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
-- The number of checks by their latest result.
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
