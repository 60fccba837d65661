-- definition --
-- A pipeline with its watermark: the highest end of a window that ever succeeded, undone or not.
select
    pipelines.pipeline_id,
    pipelines.pipeline_name,
    pipelines.source_relation,
    coalesce(
        pipelines.target_relation,
        'warehouse.raw_' || split_part(pipelines.source_relation, '.', 2)
    ) as target_relation,
    pipelines.cursor_column,
    pipelines.key_columns,
    pipelines.write_mode,
    pipelines.window_size::text as window_size,
    greatest(pipelines.start_at, archived.before)::text as start_at,
    pipelines.start_at::text as defined_start_at,
    archived.before::text as archived_before,
    archived.rows as archived_rows,
    pipelines.lookback::text as lookback,
    pipelines.sweep_every::text as sweep_every,
    pipelines.max_hold::text as max_hold,
    pipelines.odd_cursors,
    pipelines.on_delete,
    pipelines.on_column_drop,
    pipelines.max_rejected_share,
    pipelines.cursor_timezone,
    pipelines.column_types,
    pipelines.clock_relation,
    pipelines.event_column,
    loaded.high is null as is_new,
    greatest(pipelines.start_at, loaded.high)::text as watermark
from orchestrator.pipeline_definitions as pipelines
cross join lateral (
    select max(runs.high) as high
    from orchestrator.runs as runs
    where
        runs.pipeline_id = pipelines.pipeline_id
        and runs.kind = 'window'
        and runs.status in ('succeeded', 'rolled_back')
) as loaded
cross join lateral (
    select
        max(months.high) as before,
        coalesce(sum(months.rows), 0)::bigint as rows
    from orchestrator.archived_months as months
    where months.pipeline_id = pipelines.pipeline_id
) as archived
where pipelines.pipeline_id = %(pipeline_id)s

-- enabled_pipelines --
-- The enabled pipelines, or the one of that name, enabled or not.
select
    pipelines.pipeline_id,
    pipelines.pipeline_name
from orchestrator.pipeline_definitions as pipelines
where
    case
        when %(name)s::text is null then pipelines.is_enabled
        else pipelines.pipeline_name = %(name)s
    end
order by pipelines.pipeline_id

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
    to_char(newest.high, 'YYYY-MM-DD HH24:MI:SSTZH:TZM') as loaded_through
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
-- One pipeline, for people to read.
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
        select to_char(max(runs.finished_at), 'YYYY-MM-DD HH24:MI:SSTZH:TZM')
        from orchestrator.runs as runs
        where
            runs.pipeline_id = pipelines.pipeline_id
            and runs.horizon_scope = 'table'
            and runs.status = 'succeeded'
    ) as last_sweep,
    pipelines.max_hold::text as max_hold,
    pipelines.on_delete,
    pipelines.on_column_drop,
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

-- pipeline_runs --
-- The last runs of one pipeline.
select
    runs.run_id as run,
    runs.kind,
    runs.status,
    to_char(runs.started_at, 'YYYY-MM-DD HH24:MI:SSTZH:TZM') as started_at,
    runs.rows_inserted as inserted,
    runs.rows_updated as updated,
    runs.rows_deleted as deleted,
    runs.rows_rejected as rejected,
    to_char(runs.high, 'YYYY-MM-DD HH24:MI:SSTZH:TZM') as up_to,
    runs.error
from orchestrator.runs as runs
inner join orchestrator.pipeline_definitions as pipelines
    on pipelines.pipeline_id = runs.pipeline_id
where pipelines.pipeline_name = %(name)s
order by runs.run_id desc
limit 10

-- switch_pipeline --
-- Enable or disable a pipeline.
update orchestrator.pipeline_definitions
set is_enabled = %(is_enabled)s
where pipeline_name = %(name)s
returning pipeline_id

-- replica --
-- The pipelines whose replica a table is.
select pipelines.pipeline_name
from orchestrator.pipeline_definitions as pipelines
where
    coalesce(
        pipelines.target_relation,
        'warehouse.raw_' || split_part(pipelines.source_relation, '.', 2)
    ) = %(target)s

-- add_pipeline --
-- Add a pipeline.
insert into orchestrator.pipeline_definitions (
    pipeline_name, source_relation, target_relation, cursor_column, key_columns,
    write_mode, window_size, owner, description, clock_relation, column_types, cursor_timezone
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
    %(description)s,
    %(clock)s,
    %(types)s::jsonb,
    %(timezone)s
)
returning pipeline_id
