-- thresholds --
-- For each pipeline, the last run whose earlier versions of rows can be deleted: it and all runs
-- before it are old enough, and every target has consumed it. A target that was never built is
-- filled in full, and needs none of them.
create temporary table thresholds on commit drop as
select
    pipelines.pipeline_id,
    least(
        coalesce(
            (
                select min(runs.run_id)
                from orchestrator.runs as runs
                where
                    runs.pipeline_id = pipelines.pipeline_id
                    and (runs.finished_at is null or runs.finished_at >= %(cutoff)s::timestamptz)
            ) - 1,
            (select max(runs.run_id) from orchestrator.runs as runs)
        ),
        (
            select min(targets.through_run_id)
            from (
                select max(inputs.through_run_id) as through_run_id
                from orchestrator.build_inputs as inputs
                inner join orchestrator.runs as builds on builds.run_id = inputs.run_id
                where
                    inputs.pipeline_id = pipelines.pipeline_id
                    and builds.status = 'succeeded'
                group by builds.target
            ) as targets
        )
    ) as run_id
from orchestrator.pipeline_definitions as pipelines
where
    exists (
        select
        from orchestrator.build_inputs as inputs
        where inputs.pipeline_id = pipelines.pipeline_id
    )

-- delete_images --
-- Returns, by pipeline, the number of deleted rows and the last run that had any.
with deleted as (
    delete from orchestrator.replaced_rows as replaced
    using pg_temp.thresholds as thresholds
    where
        thresholds.pipeline_id = replaced.pipeline_id
        and replaced.run_id <= thresholds.run_id
    returning replaced.pipeline_id, replaced.run_id
)

select
    deleted.pipeline_id,
    max(deleted.run_id) as run_id,
    count(*) as rows
from deleted
group by deleted.pipeline_id

-- delete_rejects --
-- Those that still wait stay.
delete from orchestrator.rejected_rows as rejected
where
    rejected.resolved_run_id is not null
    and rejected.rejected_at < %(cutoff)s::timestamptz

-- delete_inputs --
-- The last one of each target and pipeline stays.
delete from orchestrator.build_inputs as inputs
using orchestrator.runs as builds
where
    builds.run_id = inputs.run_id
    and builds.finished_at < %(cutoff)s::timestamptz
    and exists (
        select
        from orchestrator.build_inputs as later
        inner join orchestrator.runs as later_builds on later_builds.run_id = later.run_id
        where
            later.pipeline_id = inputs.pipeline_id
            and later.run_id > inputs.run_id
            and later_builds.target = builds.target
            and later_builds.status = 'succeeded'
    )

-- needed_of_pipelines --
-- The runs that ingests, repairs, coverage and status still need, however old they are.
create temporary table needed on commit drop as
with runs as not materialized (
    select
        runs.*,
        runs.status in ('succeeded', 'rolled_back') as has_run,
        exists (
            select
            from orchestrator.runs as undos
            where
                undos.pipeline_id = runs.pipeline_id
                and undos.kind = 'undo'
                and undos.status = 'succeeded'
                and undos.run_id > runs.run_id
                and undos.parent_run_id <= runs.run_id
        ) as is_invalid
    from orchestrator.runs as runs
    where runs.pipeline_id is not null
),

-- Horizons: of each chain and scope the newest one, and the newest that no undo has invalidated;
-- and the last one of each pipeline whose run searched the whole table.
horizons as (
    (
        select distinct on (runs.pipeline_id, runs.horizon_chain, runs.horizon_scope)
            runs.pipeline_id,
            runs.run_id
        from runs
        where runs.has_run and runs.horizon_scope in ('lookback', 'table')
        order by runs.pipeline_id, runs.horizon_chain, runs.horizon_scope, runs.run_id desc
    )
    union
    (
        select distinct on (runs.pipeline_id, runs.horizon_chain, runs.horizon_scope)
            runs.pipeline_id,
            runs.run_id
        from runs
        where runs.has_run and not runs.is_invalid and runs.horizon_scope in ('lookback', 'table')
        order by runs.pipeline_id, runs.horizon_chain, runs.horizon_scope, runs.run_id desc
    )
    union
    (
        select distinct on (runs.pipeline_id)
            runs.pipeline_id,
            runs.run_id
        from runs
        where runs.has_run and runs.horizon_scope = 'table' and runs.search_elapsed is not null
        order by runs.pipeline_id, runs.run_id desc
    )
),

-- Undos that are still needed: of windows that no backfill has covered since, and those that later
-- runs look up to decide whether a horizon is valid, and which run wrote a row.
undos as (
    select
        undos.pipeline_id,
        undos.run_id,
        undos.parent_run_id,
        windows.low,
        windows.high
    from runs as undos
    left join runs as windows
        on windows.run_id = undos.parent_run_id and windows.kind = 'window'
    left join pg_temp.thresholds as thresholds on thresholds.pipeline_id = undos.pipeline_id
    where
        undos.kind = 'undo'
        and undos.status = 'succeeded'
        and (
            undos.run_id > coalesce(thresholds.run_id, 0)
            or undos.run_id > (
                select min(horizons.run_id)
                from horizons
                where horizons.pipeline_id = undos.pipeline_id
            )
            or not coalesce(
                (
                    select range_agg(tstzrange(fills.low, fills.high))
                    from runs as fills
                    where
                        fills.pipeline_id = undos.pipeline_id
                        and fills.kind = 'backfill'
                        and fills.status = 'succeeded'
                        and fills.run_id > undos.run_id
                ) @> tstzrange(windows.low, windows.high),
                windows.low is null
            )
        )
),

-- For each pipeline, the first or last run of each kind.
marks as (
    select
        (array_agg(runs.run_id order by runs.run_id))[1] as first_run,
        (array_agg(runs.run_id order by runs.run_id desc)
            filter (where runs.status <> 'skipped'))[1] as last_run,
        (array_agg(runs.run_id order by runs.high desc)
            filter (where runs.kind = 'window' and runs.has_run))[1] as watermark,
        (array_agg(runs.run_id order by runs.run_id desc)
            filter (where runs.kind = 'window' and runs.has_run))[1] as last_window,
        (array_agg(runs.run_id order by runs.run_id desc)
            filter (where runs.kind = 'window' and runs.status = 'succeeded'))[1] as last_success,
        (array_agg(runs.run_id order by runs.run_id desc) filter (
            where
            runs.kind = 'window' and runs.status = 'succeeded' and runs.guarantee is not null
        ))[1] as last_promise,
        (array_agg(runs.run_id order by runs.run_id desc) filter (
            where
            runs.status = 'succeeded'
            and runs.rows_inserted + runs.rows_updated + runs.rows_deleted > 0
        ))[1] as last_change,
        (array_agg(runs.run_id order by runs.run_id desc)
            filter (where runs.kind = 'reconcile' and runs.status = 'succeeded'))[1]
            as last_reconcile,
        (array_agg(runs.run_id order by runs.run_id desc)
            filter (where runs.horizon_scope = 'table' and runs.status = 'succeeded'))[1]
            as last_sweep,
        (array_agg(runs.run_id order by runs.run_id desc)
            filter (where runs.horizon_chain is not null and runs.status = 'succeeded'))[1]
            as last_chain,
        (array_agg(runs.run_id order by runs.run_id desc)
            filter (where runs.day_gap is not null and runs.status = 'succeeded'))[1] as day_gap,
        (array_agg(runs.run_id order by runs.newest_event desc nulls last)
            filter (where runs.newest_arrival is not null and runs.status = 'succeeded'))[1]
            as newest_event
    from runs
    group by runs.pipeline_id
)

select horizons.run_id
from horizons
union
(
    select distinct on (runs.pipeline_id, runs.horizon_chain) runs.run_id
    from runs
    where runs.has_run
    order by runs.pipeline_id, runs.horizon_chain, runs.run_id desc
)
union
select unnest(array[undos.run_id, undos.parent_run_id])
from undos
union
select fills.run_id
from runs as fills
inner join undos
    on undos.pipeline_id = fills.pipeline_id
    and undos.run_id < fills.run_id
    and tstzrange(undos.low, undos.high) && tstzrange(fills.low, fills.high)
where fills.kind = 'backfill'
union
select
    unnest(
        array[
            marks.first_run, marks.last_run, marks.watermark, marks.last_window,
            marks.last_success, marks.last_promise, marks.last_change, marks.last_reconcile,
            marks.last_sweep, marks.last_chain, marks.day_gap, marks.newest_event
        ]
    )
from marks
union
-- The usual gap is that of the 30 days before the newest arrival.
select runs.run_id
from runs
where
    runs.status = 'succeeded'
    and runs.newest_arrival >= (
        select max(others.newest_arrival)
        from runs as others
        where others.pipeline_id = runs.pipeline_id and others.status = 'succeeded'
    ) - interval '30 days'
union
select replaced.run_id
from orchestrator.replaced_rows as replaced
union
select unnest(array[rejected.run_id, rejected.resolved_run_id])
from orchestrator.rejected_rows as rejected

-- needed_of_builds --
-- The runs that builds, status and trends still need: the last of each kind, those with the last
-- results of checks, and those that the tables were built from.
insert into pg_temp.needed (run_id)
select inputs.run_id
from orchestrator.build_inputs as inputs
union
select built.run_id
from orchestrator.built_scripts as built
union
(
    select distinct on (runs.target, runs.kind, runs.status) runs.run_id
    from orchestrator.runs as runs
    where runs.kind in ('build', 'rebuild', 'verify')
    order by runs.target, runs.kind, runs.status, runs.run_id desc
)
union
(
    select distinct on (builds.target, results.script, results.check_name, builds.status)
        results.run_id
    from orchestrator.check_results as results
    inner join orchestrator.runs as builds on builds.run_id = results.run_id
    order by
        builds.target, results.script, results.check_name, builds.status,
        results.check_result_id desc
)
union
select ranked.run_id
from (
    select
        runs.run_id,
        row_number() over (
            partition by runs.kind, runs.target, runs.script, runs.build_mode
            order by runs.run_id desc
        ) as place
    from orchestrator.runs as runs
    where
        runs.kind in ('build', 'rebuild', 'script')
        and runs.status = 'succeeded'
) as ranked
where ranked.place <= 20

-- doomed --
-- The runs to delete.
create temporary table doomed on commit drop as
select
    runs.run_id,
    runs.pipeline_id,
    runs.kind,
    runs.status,
    runs.low,
    runs.high
from orchestrator.runs as runs
where
    runs.finished_at < %(cutoff)s::timestamptz
    and not exists (select from pg_temp.needed as needed where needed.run_id = runs.run_id)

-- remember --
-- Up to which run of a pipeline none can be undone any more, and which time ranges the deleted runs
-- had read.
insert into orchestrator.pruned_runs as pruned (pipeline_id, through_run_id, covered)
select
    pipelines.pipeline_id,
    greatest(
        0,
        (
            select max(images.run_id)
            from unnest(%(pipelines)s::integer[], %(runs)s::bigint[])
                as images (pipeline_id, run_id)
            where images.pipeline_id = pipelines.pipeline_id
        ),
        max(doomed.run_id) filter (where doomed.kind = 'undo' and doomed.status = 'succeeded')
    ) as through_run_id,
    coalesce(
        range_agg(tstzrange(doomed.low, doomed.high)) filter (
            where
            (doomed.kind = 'window' and doomed.status in ('succeeded', 'rolled_back'))
            or (doomed.kind = 'backfill' and doomed.status = 'succeeded')
        ),
        '{}'
    ) as covered
from orchestrator.pipeline_definitions as pipelines
left join pg_temp.doomed as doomed on doomed.pipeline_id = pipelines.pipeline_id
where doomed.run_id is not null or pipelines.pipeline_id = any(%(pipelines)s::integer[])
group by pipelines.pipeline_id
on conflict (pipeline_id) do update set
    through_run_id = greatest(pruned.through_run_id, excluded.through_run_id),
    covered = pruned.covered + excluded.covered,
    pruned_at = excluded.pruned_at

-- delete_logs --
delete from orchestrator.logs as logs
where
    logs.logged_at < %(cutoff)s::timestamptz
    and (
        logs.run_id is null
        or not exists (select from orchestrator.runs as runs where runs.run_id = logs.run_id)
        or exists (select from pg_temp.doomed as doomed where doomed.run_id = logs.run_id)
    )

-- delete_alerts --
delete from orchestrator.alerts as alerts
where alerts.over_at < %(cutoff)s::timestamptz

-- sizes --
-- The size of tables, with their indexes.
select
    tables.name as table_name,
    pg_total_relation_size(tables.name::regclass) as bytes
from unnest(%(tables)s::text[]) as tables (name)

-- last_builds --
-- The targets, each with the day of its last build.
select
    builds.target,
    to_char(max(builds.finished_at), 'YYYY-MM-DD') as built_at
from orchestrator.runs as builds
where
    builds.kind in ('build', 'rebuild')
    and builds.status = 'succeeded'
    and exists (
        select
        from orchestrator.built_scripts as built
        where built.target = builds.target
    )
group by builds.target
order by builds.target

-- undoable_after --
-- For each pipeline, the run up to which none can be undone any more.
select
    pipelines.pipeline_name,
    pruned.through_run_id as run_id
from orchestrator.pruned_runs as pruned
inner join orchestrator.pipeline_definitions as pipelines
    on pipelines.pipeline_id = pruned.pipeline_id
where pruned.through_run_id > 0
order by pipelines.pipeline_name

-- made_with_layers --
-- What the files of the layers create in the schemas of a target, as in the live ones: views,
-- tables and functions. Of a table, its name, since people may have filled it.
select
    case others.relkind when 'v' then 'view ' else 'table ' end
    || others.oid::regclass::text as name,
    case others.relkind when 'r' then others.oid::regclass::text end as table_name
from pg_class as others
inner join pg_class as lives on lives.relname = others.relname and lives.relkind = others.relkind
where
    others.relkind in ('r', 'v')
    and not others.relispartition
    and others.relnamespace::regnamespace::text = any(%(schemas)s)
    and lives.relnamespace::regnamespace::text = any(%(live_schemas)s)
    and others.oid <> all(
        select unnest(built.table_oids)
        from orchestrator.built_scripts as built
    )
union all
select
    case routines.prokind when 'p' then 'procedure ' else 'function ' end
    || routines.oid::regprocedure::text as name,
    null as table_name
from pg_proc as routines
where routines.pronamespace::regnamespace::text = any(%(schemas)s)
order by name

-- relations --
-- What is left in the schemas of a target.
select relations.oid::regclass::text as name
from pg_class as relations
where
    relations.relnamespace::regnamespace::text = any(%(schemas)s)
    and relations.relkind <> 'i'
order by name

-- forget_target --
with inputs as (
    delete from orchestrator.build_inputs as inputs
    using orchestrator.runs as builds
    where builds.run_id = inputs.run_id and builds.target = %(target)s
),

lefts as (
    delete from orchestrator.left_tables as lefts
    where lefts.target = %(target)s
),

targets as (
    delete from orchestrator.targets as targets
    where targets.target = %(target)s
)

delete from orchestrator.built_scripts as built
where built.target = %(target)s
