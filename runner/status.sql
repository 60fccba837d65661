-- problems --
-- The problems of a target, each with its remedy. `what` and `kind` identify a problem while it
-- lasts; its text may change.
with newest as (
    select
        pipelines.pipeline_id,
        pipelines.pipeline_name,
        definitions.source_relation,
        definitions.freshness_warn_after,
        definitions.freshness_fail_after,
        definitions.data_warn_after,
        definitions.data_fail_after,
        definitions.quiet_gaps,
        -- A sweep needs a key to match rows by.
        case when cardinality(definitions.key_columns) > 0 then definitions.sweep_every end
            as sweep_every,
        definitions.is_enabled,
        pipelines.replica,
        pipelines.replica = any(%(needed)s) as is_needed,
        pipelines.loaded_through,
        pipelines.newest_event,
        pipelines.newest_arrival,
        pipelines.usual_gap,
        pipelines.runner_status,
        pipelines.data_status,
        last_run.status,
        last_run.error,
        (
            select max(runs.run_id)
            from orchestrator.runs as runs
            where
                runs.pipeline_id = pipelines.pipeline_id
                and runs.status = 'succeeded'
                and runs.rows_inserted + runs.rows_updated + runs.rows_deleted > 0
        ) as last_change
    from orchestrator.pipeline_freshness as pipelines
    inner join orchestrator.pipeline_definitions as definitions
        on definitions.pipeline_id = pipelines.pipeline_id
    left join lateral (
        select
            runs.status,
            runs.error
        from orchestrator.runs as runs
        where runs.pipeline_id = pipelines.pipeline_id and runs.status <> 'skipped'
        order by runs.run_id desc
        limit 1
    ) as last_run on true
    where pipelines.is_enabled or pipelines.replica = any(%(needed)s)
),

-- The latest guarantee of each pipeline, and whether one within the last week was exact.
promises as (
    select
        newest.pipeline_name,
        latest.guarantee,
        latest.guarantee_note,
        (
            select min(array_position(array['exact', 'settled'], runs.guarantee))
            from orchestrator.runs as runs
            where
                runs.pipeline_id = newest.pipeline_id
                and runs.kind = 'window'
                and runs.status = 'succeeded'
                and runs.finished_at > now() - interval '7 days'
        ) = 1 as was_exact
    from newest
    cross join lateral (
        select
            runs.guarantee,
            runs.guarantee_note
        from orchestrator.runs as runs
        where
            runs.pipeline_id = newest.pipeline_id
            and runs.kind = 'window'
            and runs.status = 'succeeded'
            and runs.guarantee is not null
        order by runs.run_id desc
        limit 1
    ) as latest
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
    'raw.' || replace(needs.replica, 'warehouse.raw_', '') as what,
    'missing' as kind,
    'scripts need it, but no pipeline fills it' as problem,
    'run pipelines add' as remedy
from unnest(%(needed)s::text[]) as needs (replica)
where
    not exists (
        select from newest
        where newest.replica = needs.replica
    )
union all
select
    'pipeline ' || newest.pipeline_name as what,
    'disabled' as kind,
    'scripts need it, but it is disabled' as problem,
    'run pipelines enable ' || newest.pipeline_name as remedy
from newest
where not newest.is_enabled
union all
select
    'pipeline ' || newest.pipeline_name as what,
    'late' as kind,
    case newest.runner_status
        when 'never' then 'has never succeeded'
        else 'is ' || newest.runner_status
    end || coalesce(': loaded through ' || to_char(newest.loaded_through, 'YYYY-MM-DD HH24:MI'), '')
        as problem,
    'run ingest' as remedy
from newest
where newest.runner_status <> 'fresh'
union all
select
    'pipeline ' || newest.pipeline_name as what,
    'silent' as kind,
    case
        when now() - newest.newest_arrival > newest.quiet_gaps * newest.usual_gap
            then
                'no row has arrived since ' || to_char(newest.newest_arrival, 'YYYY-MM-DD HH24:MI')
                || ', over ' || trim_scale(newest.quiet_gaps) || ' times the usual gap of '
                || justify_hours(date_trunc('minute', newest.usual_gap + interval '30 seconds'))
        else
            'its newest row is from ' || to_char(
                coalesce(newest.newest_event, newest.newest_arrival), 'YYYY-MM-DD HH24:MI'
            ) || ', older than ' || case newest.data_status
                when 'stale' then newest.data_fail_after
                else newest.data_warn_after
            end
    end as problem,
    'check what writes ' || newest.source_relation as remedy
from newest
where newest.data_status <> 'fresh'
union all
select
    'pipeline ' || newest.pipeline_name as what,
    'dropped' as kind,
    'its replica ' || newest.replica || ' does not exist' as problem,
    'run ingest' as remedy
from newest
where
    newest.loaded_through is not null
    and to_regclass(
        (
            select string_agg(quote_ident(parts.name), '.' order by parts.place)
            from unnest(string_to_array(newest.replica, '.')) with ordinality as parts (name, place)
        )
    ) is null
union all
select
    'pipeline ' || newest.pipeline_name as what,
    'emptied' as kind,
    'its replica ' || newest.replica || ' was emptied since it was last loaded' as problem,
    'run ingest' as remedy
from newest
inner join lateral (
    select
        to_regclass(string_agg(quote_ident(parts.name), '.' order by parts.place)) as replica
    from unnest(string_to_array(newest.replica, '.')) with ordinality as parts (name, place)
) as stored on true
inner join lateral (
    select (regexp_match(runs.horizon_chain, '/(\d+)/[^/]*$'))[1] as file
    from orchestrator.runs as runs
    where
        runs.pipeline_id = newest.pipeline_id
        and runs.status = 'succeeded'
        and runs.horizon_chain is not null
    order by runs.run_id desc
    limit 1
) as last_run on true
where
    newest.last_change is not null
    and pg_relation_size(stored.replica) = 0
    and last_run.file <> orchestrator.storage_file(stored.replica)::text
union all
select
    'pipeline ' || promises.pipeline_name as what,
    'promise' as kind,
    'guarantee is only ' || promises.guarantee || ': ' || promises.guarantee_note as problem,
    'see: pipelines show ' || promises.pipeline_name as remedy
from promises
where promises.guarantee not in ('exact', 'settled')
union all
select
    'pipeline ' || newest.pipeline_name as what,
    'left' as kind,
    left_behind.rows_left || ' rows are no longer in the source, and were left in the replica on '
    || to_char(left_behind.finished_at, 'YYYY-MM-DD HH24:MI') as problem,
    'set on_delete to mark or apply, then run reconcile ' || newest.pipeline_name as remedy
from newest
cross join lateral (
    select
        runs.rows_left,
        runs.finished_at
    from orchestrator.runs as runs
    where
        runs.pipeline_id = newest.pipeline_id
        and runs.kind = 'reconcile'
        and runs.status = 'succeeded'
    order by runs.run_id desc
    limit 1
) as left_behind
where left_behind.rows_left > 0
union all
select
    'pipeline ' || newest.pipeline_name as what,
    'failed' as kind,
    case newest.error
        when 'interrupted' then 'its last run was interrupted'
        else 'its last run ' || newest.status || coalesce(': ' || newest.error, '')
    end as problem,
    case newest.error
        when 'interrupted' then 'run ingest'
        else 'fix the cause, then run ingest'
    end as remedy
from newest
where newest.status in ('failed', 'abandoned')
union all
select
    'pipeline ' || newest.pipeline_name as what,
    'sweep' as kind,
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
-- Until twice the interval has passed, the next ingest may still do it in time.
where
    coalesce(swept.finished_at, first_run.started_at) < now() - 2 * newest.sweep_every
union all
select
    'pipeline ' || newest.pipeline_name as what,
    'rejected' as kind,
    rejected.rows || case rejected.rows when 1 then ' row is' else ' rows are' end
    || ' rejected: ' || rejected.reason as problem,
    'see orchestrator.rejected_rows; fix the source or column_types; run ingest --sweep'
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
-- A guarantee that fell from exact to settled is reported for a week. After that, settled is normal
-- for the source.
select
    'pipeline ' || promises.pipeline_name as what,
    'promise' as kind,
    'guarantee has fallen from exact to settled: ' || promises.guarantee_note as problem,
    'see: pipelines show ' || promises.pipeline_name as remedy
from promises
where promises.guarantee = 'settled' and promises.was_exact
union all
select
    'build ' || last_build.run_id as what,
    'failed' as kind,
    case last_build.error
        when 'interrupted' then 'the last build was interrupted'
        else 'the last build ' || last_build.status || coalesce(': ' || last_build.error, '')
    end as problem,
    case last_build.error
        when 'interrupted' then 'run build'
        else 'fix the cause, then run build'
    end as remedy
from last_build
where last_build.status in ('failed', 'abandoned')
union all
select
    'verify ' || last_verdict.run_id as what,
    'differs' as kind,
    'the last verify found differences: ' || last_verdict.error as problem,
    'run verify --repair' as remedy
from last_verdict
where
    last_verdict.kind = 'verify'
    and last_verdict.status = 'failed'
union all
select
    'tables' as what,
    'unbuilt' as kind,
    'nothing has been built yet' as problem,
    'run build' as remedy
where not exists (select from last_build)
union all
select
    'tables' as what,
    'unbuilt' as kind,
    'rows of ' || string_agg(newest.pipeline_name, ', ')
    || ' are ingested but not built' as problem,
    'run build' as remedy
from newest
inner join last_build on true
left join consumed on consumed.pipeline_id = newest.pipeline_id
where newest.is_needed and newest.last_change > coalesce(consumed.through_run_id, 0)
having count(*) > 0
union all
select
    'run ' || runs.run_id as what,
    'dead' as kind,
    'is recorded as running, but its process has ended' as problem,
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
    'check' as kind,
    latest.status || ' with ' || latest.bad_rows || ' bad rows' as problem,
    'see: runs show ' || latest.run_id as remedy
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
