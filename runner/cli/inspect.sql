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
-- How far the data go.
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
    to_char(newest.finished_at, 'YYYY-MM-DD HH24:MI:SS') as ingested_at
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

-- checks --
-- The last result of each check.
select distinct on (results.check_name)
    results.check_name as check,
    results.status,
    results.bad_rows,
    case when results.bad_rows > 0 then results.sample end as sample
from orchestrator.check_results as results
inner join orchestrator.runs as builds on builds.run_id = results.run_id
where builds.target = %(target)s
order by results.check_name, results.check_result_id desc

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
where
    (runs.kind <> 'script' or %(scripts)s)
    and (%(status)s::text is null or runs.status = %(status)s)
order by runs.run_id desc
limit %(last)s

-- run --
-- All that is known of one run.
select
    runs.run_id as run,
    runs.kind,
    pipelines.pipeline_name as pipeline,
    runs.target,
    runs.script,
    runs.parent_run_id as part_of,
    runs.status,
    runs.error,
    runs.sqlstate,
    to_char(runs.started_at, 'YYYY-MM-DD HH24:MI:SS.MS') as started_at,
    to_char(runs.finished_at, 'YYYY-MM-DD HH24:MI:SS.MS') as finished_at,
    round(extract(epoch from runs.elapsed), 3) as seconds,
    runs.low::text as low,
    runs.high::text as high,
    runs.guarantee,
    runs.rows_read,
    runs.rows_inserted,
    runs.rows_updated,
    runs.rows_unchanged,
    runs.rows_deleted,
    runs.rows_rejected,
    (
        select nullif(count(*), 0)
        from orchestrator.replaced_rows as replaced
        where replaced.run_id = runs.run_id
    ) as replaced_rows_kept,
    runs.database_user,
    runs.host,
    runs.backend_pid
from orchestrator.runs as runs
left join orchestrator.pipeline_definitions as pipelines on pipelines.pipeline_id = runs.pipeline_id
where runs.run_id = %(run_id)s

-- run_scripts --
-- The scripts of a build.
select
    scripts.script,
    scripts.status,
    scripts.rows_inserted as inserted,
    scripts.rows_updated as updated,
    scripts.rows_deleted as deleted,
    round(extract(epoch from scripts.elapsed), 2) as seconds,
    scripts.error
from orchestrator.runs as scripts
where scripts.parent_run_id = %(run_id)s
order by scripts.run_id

-- run_inputs --
-- What a build consumed.
select
    pipelines.pipeline_name as consumed,
    inputs.after_run_id as after_run,
    inputs.through_run_id as through_run
from orchestrator.build_inputs as inputs
inner join orchestrator.pipeline_definitions as pipelines
    on pipelines.pipeline_id = inputs.pipeline_id
where inputs.run_id = %(run_id)s
order by inputs.pipeline_id

-- run_checks --
-- What the checks of a build found.
select
    results.check_name as check,
    results.status,
    results.bad_rows,
    case when results.bad_rows > 0 then results.sample end as sample
from orchestrator.check_results as results
where results.run_id = %(run_id)s
order by results.check_result_id

-- run_observations --
-- What a build observed.
select
    observations.script,
    observations.observation_name as observation,
    observations.label,
    observations.value
from orchestrator.observations as observations
where observations.run_id = %(run_id)s
order by
    min(observations.observed_at) over (
        partition by observations.script, observations.observation_name
    ),
    observations.observation_name,
    observations.position

-- run_restatements --
-- What readers had seen and a build changed, row by row.
select
    restatements.table_name as table,
    restatements.key,
    restatements.day::text as day,
    restatements.is_last_day,
    restatements.before,
    restatements.after
from orchestrator.restatements as restatements
where restatements.run_id = %(run_id)s
order by
    restatements.table_name,
    restatements.day,
    restatements.restatement_id

-- run_restated_days --
-- The same by day, the one that changed most first: how many rows, and of these the one in which
-- the numbers moved most, which is that of all where there are slices.
select
    days.table_name as table,
    days.key,
    days.day,
    days.is_last_day,
    days.rows,
    days.before,
    days.after
from (
    select distinct on (restatements.table_name, places.place)
        restatements.table_name,
        restatements.key,
        restatements.day::text as day,
        restatements.is_last_day,
        count(*) over (partition by restatements.table_name, places.place) as rows,
        restatements.before,
        restatements.after,
        moves.share
    from orchestrator.restatements as restatements
    cross join lateral (
        select coalesce(restatements.day::text, restatements.key::text) as place
    ) as places
    cross join lateral (
        select
            sum(abs(coalesce(pairs.new, 0) - coalesce(pairs.old, 0))) as size,
            max(
                abs(coalesce(pairs.new, 0) - coalesce(pairs.old, 0))
                / nullif(greatest(abs(pairs.old), abs(pairs.new)), 0)
            ) as share
        from (
            select
                case jsonb_typeof(old.value) when 'number' then old.value::numeric end as old,
                case jsonb_typeof(new.value) when 'number' then new.value::numeric end as new
            from jsonb_each(restatements.before) as old (name, value)
            left join jsonb_each(restatements.after) as new (name, value) on new.name = old.name
        ) as pairs
    ) as moves
    where restatements.run_id = %(run_id)s
    order by
        restatements.table_name,
        places.place,
        moves.size desc nulls last,
        restatements.key::text
) as days
order by
    days.table_name,
    days.is_last_day,
    days.share desc nulls last,
    days.day desc

-- run_logs --
-- What a run had to say.
select
    to_char(logs.logged_at, 'HH24:MI:SS.MS') as logged_at,
    logs.level,
    logs.message
from orchestrator.logs as logs
where logs.run_id = %(run_id)s
order by logs.log_id

-- moment --
-- A point in time: an age such as '2 hours' counts back from now.
select
    case
        when %(since)s::text ~ '^\s*\d+\s*[a-z]' then now() - %(since)s::interval
        else %(since)s::timestamptz
    end as moment

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
left join orchestrator.runs as runs on runs.run_id = logs.run_id
where
    (%(run_id)s::bigint is null or logs.run_id = %(run_id)s)
    and (%(pipeline)s::text is null or pipelines.pipeline_name = %(pipeline)s)
    and (%(status)s::text is null or runs.status = %(status)s)
    and (
        %(level)s::text is null
        or array_position(array['debug', 'info', 'warning', 'error'], logs.level)
        >= array_position(array['debug', 'info', 'warning', 'error'], %(level)s)
    )
    and (%(since)s::timestamptz is null or logs.logged_at >= %(since)s)
order by logs.log_id desc
limit %(last)s

-- pipelines --
-- The pipelines with their watermarks.
select
    pipelines.pipeline_name as pipeline,
    pipelines.source_relation as source,
    coalesce(
        pipelines.target_relation,
        'warehouse.raw_' || split_part(pipelines.source_relation, '.', 2)
    ) as replica,
    pipelines.write_mode as mode,
    case when pipelines.is_enabled then 'enabled' else 'disabled' end as state,
    to_char(newest.high, 'YYYY-MM-DD HH24:MI:SS') as loaded_through
from orchestrator.pipeline_definitions as pipelines
left join lateral (
    select max(runs.high) as high
    from orchestrator.runs as runs
    where
        runs.pipeline_id = pipelines.pipeline_id
        and runs.kind = 'window'
        and runs.status in ('succeeded', 'rolled_back')
) as newest on true
order by pipelines.pipeline_id

-- pipeline --
-- One pipeline.
select
    pipelines.pipeline_id as id,
    pipelines.pipeline_name as pipeline,
    pipelines.source_relation as source,
    coalesce(
        pipelines.target_relation,
        'warehouse.raw_' || split_part(pipelines.source_relation, '.', 2)
    ) as replica,
    pipelines.cursor_column as cursor,
    array_to_string(pipelines.key_columns, ', ') as key,
    pipelines.write_mode as mode,
    pipelines.window_size::text as window_size,
    pipelines.start_at::text as start_at,
    pipelines.is_enabled,
    pipelines.owner,
    pipelines.description,
    pipelines.freshness_warn_after::text as late_after,
    pipelines.freshness_fail_after::text as stale_after,
    (
        select max(runs.high)::text
        from orchestrator.runs as runs
        where
            runs.pipeline_id = pipelines.pipeline_id
            and runs.kind = 'window'
            and runs.status in ('succeeded', 'rolled_back')
    ) as loaded_through,
    newest.guarantee,
    newest.guarantee_note as which_means,
    pipelines.lookback::text as lookback,
    pipelines.sweep_every::text as sweep_every,
    (
        select to_char(max(runs.finished_at), 'YYYY-MM-DD HH24:MI:SS')
        from orchestrator.runs as runs
        where
            runs.pipeline_id = pipelines.pipeline_id
            and runs.horizon_scope = 'table'
            and runs.status = 'succeeded'
    ) as last_sweep,
    pipelines.max_hold::text as max_hold,
    pipelines.on_delete,
    pipelines.odd_cursors,
    pipelines.max_rejected_share,
    (
        select nullif(count(*), 0)
        from orchestrator.rejected_rows as waiting
        where
            waiting.pipeline_id = pipelines.pipeline_id
            and waiting.resolved_run_id is null
    ) as rejected_rows_waiting,
    pipelines.cursor_timezone,
    nullif(pipelines.column_types, '{}') as column_types,
    pipelines.clock_relation as clock
from orchestrator.pipeline_definitions as pipelines
left join lateral (
    select
        runs.guarantee,
        runs.guarantee_note
    from orchestrator.runs as runs
    where
        runs.pipeline_id = pipelines.pipeline_id
        and runs.kind = 'window'
        and runs.status = 'succeeded'
    order by runs.run_id desc
    limit 1
) as newest on true
where pipelines.pipeline_name = %(name)s

-- coverage --
-- What a pipeline has of its source, from its start to its watermark: stretches that are covered,
-- and gaps. `begins` and `ends` say where they lie, from 0 to 1. A source that is read from minus
-- infinity is drawn as if its first window were no longer than all the others.
with windows as (
    select
        pipelines.start_at,
        pipelines.window_size,
        runs.run_id,
        runs.kind,
        runs.status,
        runs.low,
        runs.high
    from orchestrator.pipeline_definitions as pipelines
    inner join orchestrator.runs as runs on runs.pipeline_id = pipelines.pipeline_id
    where
        pipelines.pipeline_id = %(pipeline_id)s
        and runs.low < runs.high
        and (
            (runs.kind = 'window' and runs.status in ('succeeded', 'rolled_back'))
            or (runs.kind = 'backfill' and runs.status = 'succeeded')
        )
),

hull as (
    select
        case
            when max(windows.high) filter (where windows.kind = 'window') > min(windows.start_at)
                then
                    tstzrange(
                        min(windows.start_at),
                        max(windows.high) filter (where windows.kind = 'window')
                    )
        end as span,
        case
            when isfinite(min(windows.start_at)) then min(windows.start_at)
            else
                least(
                    min(windows.high) - least(
                        min(windows.window_size),
                        greatest(max(windows.high) - min(windows.high), interval '1 day')
                    ),
                    min(windows.low) filter (where isfinite(windows.low))
                )
        end as drawn_from
    from windows
),

-- Windows that were undone are in it, and go out again where nothing filled them since.
covered as (
    select
        (
            range_agg(tstzrange(windows.low, windows.high))
            - coalesce(
                (
                    select range_agg(tstzrange(gaps.low::timestamptz, gaps.high::timestamptz))
                    from (
{{ gaps }}
                    ) as gaps
                ),
                '{}'
            )
        )
        * (select tstzmultirange(hull.span) from hull) as spans
    from windows
),

parts as (
    select
        spans.span,
        true as is_covered
    from covered
    cross join lateral unnest(covered.spans) as spans (span)
    union all
    select
        spans.span,
        false as is_covered
    from covered
    cross join hull
    cross join lateral unnest(tstzmultirange(hull.span) - covered.spans) as spans (span)
)

select
    lower(parts.span)::text as low,
    upper(parts.span)::text as high,
    parts.is_covered,
    case when not parts.is_covered then coalesce(undone.why, 'never read') end as why,
    case
        when isfinite(lower(parts.span))
            then extract(epoch from lower(parts.span) - hull.drawn_from) / drawn.seconds
        else 0
    end::double precision as begins,
    (extract(epoch from upper(parts.span) - hull.drawn_from) / drawn.seconds)::double precision
        as ends
from parts
cross join hull
cross join lateral (
    select extract(epoch from upper(hull.span) - hull.drawn_from) as seconds
) as drawn
cross join lateral (
    select
        case count(*)
            when 0 then null
            when 1 then 'run ' || min(windows.run_id) || ' was undone'
            else
                format(
                    '%%s runs were undone: %%s to %%s',
                    count(*), min(windows.run_id), max(windows.run_id)
                )
        end as why
    from windows
    where
        windows.status = 'rolled_back'
        and tstzrange(windows.low, windows.high) && parts.span
) as undone
order by parts.span

-- pipeline_runs --
-- The last runs of one pipeline.
select
    runs.run_id as run,
    runs.kind,
    runs.status,
    to_char(runs.started_at, 'YYYY-MM-DD HH24:MI:SS') as started_at,
    runs.rows_inserted as inserted,
    runs.rows_updated as updated,
    runs.rows_deleted as deleted,
    runs.rows_rejected as rejected,
    to_char(runs.high, 'YYYY-MM-DD HH24:MI:SS') as up_to,
    runs.error
from orchestrator.runs as runs
inner join orchestrator.pipeline_definitions as pipelines
    on pipelines.pipeline_id = runs.pipeline_id
where pipelines.pipeline_name = %(name)s
order by runs.run_id desc
limit 10

-- switch_pipeline --
-- Let a plain ingest take a pipeline, or not.
update orchestrator.pipeline_definitions
set is_enabled = %(is_enabled)s
where pipeline_name = %(name)s
returning pipeline_id

-- add_pipeline --
-- A new source is a new row.
insert into orchestrator.pipeline_definitions (
    pipeline_name, source_relation, target_relation, cursor_column, key_columns,
    write_mode, window_size, owner, description
)
values (
    %(name)s,
    %(source_relation)s,
    %(target_relation)s,
    %(cursor_column)s,
    %(key_columns)s,
    %(write_mode)s,
    %(window_size)s::interval,
    %(owner)s,
    %(description)s
)
returning pipeline_id
