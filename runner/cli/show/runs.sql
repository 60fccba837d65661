-- runs --
-- The latest runs, newest first.
select
    runs.run_id as run,
    runs.kind,
    coalesce(pipelines.pipeline_name, runs.script, runs.target) as what,
    runs.status,
    to_char(runs.started_at, 'YYYY-MM-DD HH24:MI:SSTZH:TZM') as started_at,
    round(extract(epoch from runs.elapsed), 2) as seconds,
    runs.rows_inserted as inserted,
    runs.rows_updated as updated,
    runs.rows_deleted as deleted,
    to_char(runs.high, 'YYYY-MM-DD HH24:MI:SSTZH:TZM') as up_to,
    runs.error
from orchestrator.runs as runs
left join orchestrator.pipeline_definitions as pipelines on pipelines.pipeline_id = runs.pipeline_id
where
    (runs.kind <> 'script' or %(scripts)s)
    and (%(status)s::text is null or runs.status = %(status)s)
order by runs.run_id desc
limit %(last)s

-- trend --
-- The durations of the latest builds of a target, or of a script in them, newest first.
select
    coalesce(runs.parent_run_id, runs.run_id) as run,
    coalesce(runs.build_mode, runs.kind) as build,
    to_char(runs.started_at, 'YYYY-MM-DD HH24:MI:SS') as started_at,
    round(extract(epoch from runs.elapsed), 2) as seconds
from orchestrator.runs as runs
where
    runs.status = 'succeeded'
    and runs.target = %(target)s
    and case
        when %(script)s::text is null then runs.kind in ('build', 'rebuild')
        else runs.kind = 'script' and runs.script = %(script)s
    end
order by runs.run_id desc
limit %(last)s

-- run --
-- Everything about one run.
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
    to_char(runs.started_at, 'YYYY-MM-DD HH24:MI:SS.MSTZH:TZM') as started_at,
    to_char(runs.finished_at, 'YYYY-MM-DD HH24:MI:SS.MSTZH:TZM') as finished_at,
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
    (
        select 'no: what it replaced was pruned on ' || to_char(pruned.pruned_at, 'YYYY-MM-DD')
        from orchestrator.pruned_runs as pruned
        where
            pruned.pipeline_id = runs.pipeline_id
            and pruned.through_run_id >= runs.run_id
            and runs.kind in ('window', 'sweep', 'backfill', 'reconcile')
            and runs.status = 'succeeded'
    ) as can_be_undone,
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
-- Published rows that a build changed.
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
-- Published days that a build changed, the largest relative change first, each with the number of
-- changed rows and the row whose numbers changed most, in a report with slices usually that of the
-- slice all.
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
-- The messages of a run.
select
    to_char(logs.logged_at, 'HH24:MI:SS.MS') as logged_at,
    logs.level,
    logs.message
from orchestrator.logs as logs
where logs.run_id = %(run_id)s
order by logs.log_id

-- moment --
-- A point in time, from a timestamp or from an age such as '2 hours'.
select
    case
        when %(since)s::text ~ '^\s*\d+\s*[a-z]' then now() - %(since)s::interval
        else %(since)s::timestamptz
    end as since

-- logs --
-- The latest messages, newest first.
select
    to_char(logs.logged_at, 'YYYY-MM-DD HH24:MI:SSTZH:TZM') as logged_at,
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

-- run_plans --
-- The query plans of slow statements that were kept with a run.
select
    logs.message,
    logs.context ->> 'plan' as plan
from orchestrator.logs as logs
where logs.run_id = %(run_id)s and logs.context ? 'plan'
order by logs.log_id
