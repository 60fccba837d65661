-- begin_run --
-- Record that a run begins; committed before the snapshot of its work.
insert into orchestrator.runs (
    kind, status, pipeline_id, target, script, parent_run_id,
    low, high, host, backend_pid
)
values (
    %(kind)s,
    'running',
    %(pipeline_id)s,
    %(target)s,
    %(script)s,
    %(parent_run_id)s,
    %(low)s::timestamptz,
    %(high)s::timestamptz,
    %(host)s,
    %(backend_pid)s
)
returning run_id

-- succeed --
-- Record that a run succeeded, in the transaction of its data. It must still be running, and a
-- window must begin at the watermark.
update orchestrator.runs as runs
set
    status = 'succeeded',
    finished_at = clock_timestamp(),
    rows_read = %(read)s,
    rows_inserted = %(inserted)s,
    rows_updated = %(updated)s,
    rows_unchanged = %(unchanged)s,
    rows_deleted = %(deleted)s,
    rows_rejected = %(rejected)s,
    guarantee = %(guarantee)s,
    guarantee_note = %(guarantee_note)s,
    horizon = %(horizon)s::text::xid8,
    horizon_scope = %(horizon_scope)s,
    horizon_chain = %(horizon_chain)s,
    search_elapsed = make_interval(secs => %(search_seconds)s),
    newest_event = %(newest_event)s,
    newest_arrival = %(newest_arrival)s,
    day_gap = %(day_gap)s,
    rows_left = %(rows_left)s
where
    runs.run_id = %(run_id)s
    and runs.status = 'running'
    and not exists (
        select
        from orchestrator.runs as others
        where
            runs.kind = 'window'
            and others.pipeline_id = runs.pipeline_id
            and others.kind = 'window'
            and others.status in ('succeeded', 'rolled_back')
            and others.high > runs.low
    )
returning runs.run_id

-- fail --
-- Record that a run failed, after its data were rolled back.
update orchestrator.runs
set
    status = 'failed',
    finished_at = clock_timestamp(),
    sqlstate = %(sqlstate)s,
    error = %(error)s
where
    run_id = %(run_id)s
    and status = 'running'

-- roll_back_scripts --
-- Mark scripts that were rolled back with their build.
update orchestrator.runs as scripts
set status = 'rolled_back'
from orchestrator.runs as builds
where
    scripts.parent_run_id = builds.run_id
    and scripts.kind = 'script'
    and scripts.status = 'succeeded'
    and builds.kind in ('build', 'rebuild', 'verify')
    and builds.target = %(target)s
    and builds.status not in ('succeeded', 'running')

-- abandon_builds --
-- Mark dead builds. The caller holds the lock of the target, so builds still running are dead.
update orchestrator.runs
set
    status = 'abandoned',
    finished_at = clock_timestamp()
where
    kind in ('build', 'script', 'rebuild', 'verify')
    and target = %(target)s
    and status = 'running'

-- abandon_windows --
-- Mark dead runs. The caller holds the lock of the pipeline, so runs still running are dead.
update orchestrator.runs
set
    status = 'abandoned',
    finished_at = clock_timestamp()
where
    pipeline_id = %(pipeline_id)s
    and status = 'running'

-- script_done --
-- Record that a script of the running build ended.
insert into orchestrator.runs (
    kind, status, target, script, build_mode, parent_run_id, rows_inserted, rows_updated,
    rows_deleted, sqlstate, error, host, backend_pid, started_at, finished_at
)
values (
    'script',
    %(status)s,
    %(target)s,
    %(script)s,
    %(mode)s,
    %(run_id)s,
    %(inserted)s,
    %(updated)s,
    %(deleted)s,
    %(sqlstate)s,
    %(error)s,
    %(host)s,
    %(backend_pid)s,
    clock_timestamp() - make_interval(secs => %(seconds)s),
    clock_timestamp()
)

-- check_done --
-- Record that a check of the running build ended.
insert into orchestrator.check_results (run_id, script, check_name, status, bad_rows, sample)
values (%(run_id)s, %(script)s, %(check_name)s, %(status)s, %(bad_rows)s, %(sample)s::jsonb)

-- observed --
-- Record an observation of the running build; if it is made again, the last one counts.
insert into orchestrator.observations (
    run_id, script, observation_name, position, label, value
)
select
    %(run_id)s,
    %(script)s,
    %(observation_name)s,
    rows.position,
    rows.label,
    rows.value
from unnest(%(labels)s::text[], %(values)s::numeric[])
    with ordinality as rows (label, value, position)
on conflict (run_id, script, observation_name, position) do update set
    label = excluded.label,
    value = excluded.value,
    observed_at = excluded.observed_at

-- restated --
-- Count the published days of each table that the running build has changed, without the last one,
-- which was not complete yet.
select
    restatements.table_name,
    count(distinct restatements.day) as days
from orchestrator.restatements as restatements
where
    restatements.run_id = %(run_id)s
    and not restatements.is_last_day
group by restatements.table_name
having count(restatements.day) > 0
order by restatements.table_name

-- log --
-- Write to the log.
insert into orchestrator.logs (run_id, pipeline_id, level, message, context)
values (%(run_id)s, %(pipeline_id)s, %(level)s, %(message)s, %(context)s::jsonb)

-- positions --
-- For each replica: the last run that the target's last build consumed, the last run that changed a
-- row, and whether its rows are in another file since. If so, it was truncated or created again,
-- and no change set has the rows that are gone; nor does one have rows that were forgotten. Also
-- the day before which rows are archived, and how many.
with consumed as (
    select distinct on (inputs.pipeline_id)
        inputs.pipeline_id,
        inputs.through_run_id as run_id,
        inputs.replica_file
    from orchestrator.build_inputs as inputs
    inner join orchestrator.runs as builds on builds.run_id = inputs.run_id
    where
        builds.target = %(target)s
        and builds.status = 'succeeded'
    order by
        inputs.pipeline_id,
        inputs.run_id desc
)

select
    substring(replicas.name from '[.]raw_(.*)$') as raw_name,
    pipelines.pipeline_id,
    -- Without a build nothing is new: the first one is full, and reads all rows.
    coalesce(consumed.run_id, newest.run_id, 0) as after,
    greatest(consumed.run_id, newest.run_id, 0) as through,
    files.file as storage_file,
    coalesce(files.file <> consumed.replica_file, false) as was_recreated,
    coalesce(consumed.replica_file = 0, false) as has_forgotten,
    archived.before as archived_before,
    archived.rows as archived_rows
from orchestrator.pipeline_definitions as pipelines
cross join lateral (
    select
        coalesce(
            pipelines.target_relation,
            'warehouse.raw_' || split_part(pipelines.source_relation, '.', 2)
        ) as name
) as replicas
cross join lateral (
    select
        orchestrator.storage_file(
            to_regclass(
                format(
                    '%%I.%%I',
                    split_part(replicas.name, '.', 1),
                    split_part(replicas.name, '.', 2)
                )
            )
        ) as file
) as files
cross join lateral (
    select
        max(months.high)::date::text as before,
        coalesce(sum(months.rows), 0)::bigint as rows
    from orchestrator.archived_months as months
    where months.pipeline_id = pipelines.pipeline_id
) as archived
left join consumed on consumed.pipeline_id = pipelines.pipeline_id
left join lateral (
    select runs.run_id
    from orchestrator.runs as runs
    where
        runs.pipeline_id = pipelines.pipeline_id
        and runs.status = 'succeeded'
        and runs.rows_inserted + runs.rows_updated + runs.rows_deleted > 0
    order by runs.run_id desc
    limit 1
) as newest on true
-- Scripts can read no others.
where replicas.name like 'warehouse.raw\_%%'
order by pipelines.pipeline_id

-- replicas --
-- The replicas that exist.
select replicas.name
from orchestrator.pipeline_definitions as pipelines
cross join lateral (
    select
        coalesce(
            pipelines.target_relation,
            'warehouse.raw_' || split_part(pipelines.source_relation, '.', 2)
        ) as name
) as replicas
where
    to_regclass(
        format('%%I.%%I', split_part(replicas.name, '.', 1), split_part(replicas.name, '.', 2))
    ) is not null
order by replicas.name

-- undo_run --
-- Mark a run as undone, in the transaction that restores its rows.
update orchestrator.runs
set status = 'rolled_back'
where
    run_id = %(run_id)s
    and status = 'succeeded'
returning run_id

-- horizons --
-- The horizons that later runs can start from: that of the newest run that searched the lookback,
-- and that of the newest that searched the whole table. An undo invalidates those of the run that
-- it took back and of all runs in between. A sweep is due when no horizon of this chain is valid
-- for the table, when that of a newer sweep is not, when a run was undone since, or when it is too
-- old.
with looked as not materialized (
    select
        runs.run_id,
        runs.high,
        runs.horizon,
        runs.horizon_scope,
        runs.finished_at,
        runs.horizon_chain is not distinct from %(chain)s
        -- A server that was restored may be at an earlier transaction than it was.
        and coalesce(runs.horizon::text::numeric <= %(next_xid)s::numeric, true)
        and not exists (
            select
            from orchestrator.runs as undos
            where
                undos.pipeline_id = %(pipeline_id)s
                and undos.kind = 'undo'
                and undos.status = 'succeeded'
                and undos.run_id > runs.run_id
                and undos.parent_run_id <= runs.run_id
        ) as counts
    from orchestrator.runs as runs
    where
        runs.pipeline_id = %(pipeline_id)s
        and runs.status in ('succeeded', 'rolled_back')
        and runs.horizon_scope in ('lookback', 'table')
),

through as (
    select
        looked.run_id,
        looked.horizon,
        looked.finished_at
    from looked
    where looked.counts and looked.horizon_scope = 'table'
    order by looked.run_id desc
    limit 1
),

-- The newest run since then of another chain, such as another definition: rows that it wrote may
-- have to be different in this one.
interruption as (
    select others.run_id
    from orchestrator.runs as others
    where
        others.pipeline_id = %(pipeline_id)s
        and others.run_id > coalesce((select through.run_id from through), 0)
        and others.status in ('succeeded', 'rolled_back')
        and others.horizon_chain is distinct from %(chain)s
    order by others.run_id desc
    limit 1
),

behind as (
    select
        looked.horizon,
        looked.high
    from looked
    where
        looked.counts
        and looked.run_id > coalesce((select interruption.run_id from interruption), 0)
    order by looked.run_id desc
    limit 1
),

newest_sweep as (
    select looked.run_id
    from looked
    where looked.horizon_scope = 'table'
    order by looked.run_id desc
    limit 1
)

select
    (select behind.horizon from behind)::text::bigint as lookback,
    (select behind.high from behind)::text as lookback_high,
    (
        select through.horizon
        from through
        where not exists (select from interruption)
    )::text::bigint as "table",
    exists (
        select
        from through
        inner join newest_sweep on newest_sweep.run_id = through.run_id
        where
            not exists (select from interruption)
            and not exists (
                select
                from orchestrator.runs as undos
                where
                    undos.pipeline_id = %(pipeline_id)s
                    and undos.kind = 'undo'
                    and undos.status = 'succeeded'
                    and undos.run_id > through.run_id
            )
    ) as has_table,
    coalesce(
        (select through.finished_at from through) < clock_timestamp() - %(sweep_every)s::interval,
        false
    ) as is_due,
    (
        select extract(epoch from runs.search_elapsed)
        from orchestrator.runs as runs
        where
            runs.pipeline_id = %(pipeline_id)s
            and runs.horizon_scope = 'table'
            and runs.status in ('succeeded', 'rolled_back')
            and runs.search_elapsed is not null
        order by runs.run_id desc
        limit 1
    )::float8 as search_seconds

-- gaps --
-- Windows that were undone, less what was filled since.
select
    lower(gaps.gap)::text as low,
    upper(gaps.gap)::text as high
from (
    select unnest(range_agg(rests.rest)) as gap
    from (
        select
            tstzmultirange(tstzrange(windows.low, windows.high))
            - coalesce(
                (
                    select range_agg(tstzrange(backfills.low, backfills.high))
                    from orchestrator.runs as backfills
                    where
                        backfills.pipeline_id = %(pipeline_id)s
                        and backfills.kind = 'backfill'
                        and backfills.status = 'succeeded'
                        and backfills.run_id > undos.run_id
                ),
                '{}'
            ) as rest
        from orchestrator.runs as undos
        inner join orchestrator.runs as windows on windows.run_id = undos.parent_run_id
        where
            undos.pipeline_id = %(pipeline_id)s
            and undos.kind = 'undo'
            and undos.status = 'succeeded'
            and windows.kind = 'window'
    ) as rests
) as gaps
order by gaps.gap

-- last_build --
-- How the last build of a target ended.
select builds.status
from orchestrator.runs as builds
where
    builds.kind in ('build', 'rebuild')
    and builds.target = %(target)s
    and builds.status not in ('skipped', 'running')
order by builds.run_id desc
limit 1

-- built_scripts --
-- What the tables of a target were built from. A script does not count as built if one of its
-- tables was dropped and created again.
select
    built.script,
    built.fingerprint
from orchestrator.built_scripts as built
inner join unnest(%(scripts)s::text[], %(tables)s::text[]) as known (script, table_name)
    on known.script = built.script
where built.target = %(target)s
group by
    built.script,
    built.fingerprint,
    built.table_oids
having built.table_oids = array_agg(to_regclass(known.table_name)::oid order by known.table_name)

-- consume --
-- Record what the running build consumes, committed with it.
insert into orchestrator.build_inputs (
    run_id, pipeline_id, after_run_id, through_run_id, replica_file
)
values (%(run_id)s, %(pipeline_id)s, %(after)s, %(through)s, %(storage_file)s)

-- remember_scripts --
-- Record what tables are built from, committed with them.
insert into orchestrator.built_scripts (target, script, run_id, fingerprint, table_oids)
select
    %(target)s,
    scripts.script,
    %(run_id)s,
    scripts.fingerprint,
    array_agg(to_regclass(tables.table_name)::oid order by tables.table_name)
from unnest(%(scripts)s::text[], %(fingerprints)s::text[]) as scripts (script, fingerprint)
inner join unnest(%(owners)s::text[], %(tables)s::text[]) as tables (script, table_name)
    using (script)
group by scripts.script, scripts.fingerprint
on conflict (target, script) do update set
    run_id = excluded.run_id,
    fingerprint = excluded.fingerprint,
    table_oids = excluded.table_oids,
    built_at = excluded.built_at

-- forget --
-- Forget what the tables of scripts that no longer exist were built from, but keep their names.
with forgotten as (
    delete from orchestrator.built_scripts as built
    where
        built.target = %(target)s
        and built.script <> all(%(scripts)s)
    returning built.script, built.table_oids
)

insert into orchestrator.left_tables (target, script, table_name, table_oid)
select
    %(target)s,
    forgotten.script,
    schemas.nspname || '.' || relations.relname,
    relations.oid
from forgotten
inner join pg_class as relations on relations.oid = any(forgotten.table_oids)
inner join pg_namespace as schemas on schemas.oid = relations.relnamespace
on conflict (table_oid) do update set
    target = excluded.target,
    script = excluded.script,
    table_name = excluded.table_name,
    left_at = excluded.left_at

-- is_built --
-- Whether anything of a target was ever built.
select
    exists (
        select
        from orchestrator.built_scripts as built
        where built.target = %(target)s
    ) as is_built

-- script_seconds --
-- How long each script took the last time it filled its table in full.
select
    scripts.name as script,
    extract(epoch from newest.elapsed)::float8 as seconds
from unnest(%(scripts)s::text[]) as scripts (name)
cross join lateral (
    select runs.elapsed
    from orchestrator.runs as runs
    where
        runs.kind = 'script'
        and runs.status = 'succeeded'
        and runs.target = %(target)s
        and runs.script = scripts.name
        and runs.build_mode = 'full'
    order by runs.run_id desc
    limit 1
) as newest

-- slow_scripts --
-- The scripts of a build that took more than three times the median of their last twenty times in
-- the same mode, if there were at least five, and that took half a second or more.
select
    scripts.script,
    scripts.build_mode as mode,
    extract(epoch from scripts.elapsed)::float8 as seconds,
    usual.median,
    usual.times
from orchestrator.runs as scripts
cross join lateral (
    select
        count(*) as times,
        percentile_cont(0.5) within group (order by extract(epoch from earlier.elapsed)) as median
    from (
        select runs.elapsed
        from orchestrator.runs as runs
        where
            runs.kind = 'script'
            and runs.status = 'succeeded'
            and runs.target = scripts.target
            and runs.script = scripts.script
            and runs.build_mode = scripts.build_mode
            and runs.run_id < scripts.run_id
        order by runs.run_id desc
        limit 20
    ) as earlier
) as usual
where
    scripts.kind = 'script'
    and scripts.status = 'succeeded'
    and scripts.parent_run_id = %(run_id)s
    and scripts.elapsed >= interval '0.5 seconds'
    and usual.times >= 5
    and extract(epoch from scripts.elapsed) > 3 * usual.median
order by scripts.elapsed desc

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

-- skip --
-- Record that a window or a build was skipped, because another process holds its lock.
insert into orchestrator.runs (
    kind, status, pipeline_id, target, error, host, started_at, finished_at
)
values (
    %(kind)s,
    'skipped',
    %(pipeline_id)s,
    %(target)s,
    %(error)s,
    %(host)s,
    statement_timestamp(),
    statement_timestamp()
)

-- left_tables --
-- The tables and views of a target whose scripts are not among those of the project: those that a
-- build has recorded, and those that the next one will. A table that was created again under such
-- a name is not one of them.
with tables as (
    select
        lefts.script,
        lefts.table_name,
        lefts.table_oid
    from orchestrator.left_tables as lefts
    where lefts.target = %(target)s
    union
    select
        built.script,
        relations.oid::regclass::text as table_name,
        relations.oid as table_oid
    from orchestrator.built_scripts as built
    inner join pg_class as relations on relations.oid = any(built.table_oids)
    where
        built.target = %(target)s
        and built.script <> all(%(scripts)s)
)

select
    tables.script,
    tables.table_name,
    relations.relkind = 'v' as is_view,
    pg_total_relation_size(relations.oid) as bytes
from tables
inner join pg_class as relations
    on relations.oid = tables.table_oid
    and relations.oid = to_regclass(tables.table_name)
where
    not exists (
        select
        from orchestrator.built_scripts as built
        where
            tables.table_oid = any(built.table_oids)
            and (built.target <> %(target)s or built.script = any(%(scripts)s))
    )
order by tables.table_name

-- forget_left --
-- Forget tables that were dropped, and scripts whose tables are all gone.
with dropped as (
    delete from orchestrator.left_tables as lefts
    where
        lefts.target = %(target)s
        and to_regclass(lefts.table_name)::oid is distinct from lefts.table_oid
)

delete from orchestrator.built_scripts as built
where
    built.target = %(target)s
    and built.script <> all(%(scripts)s)
    and not exists (
        select
        from pg_class as relations
        where relations.oid = any(built.table_oids)
    )

-- other_targets --
-- The other targets that were built.
select
    targets.target,
    to_char(max(builds.finished_at), 'YYYY-MM-DD') as built_at
from (select distinct built.target from orchestrator.built_scripts as built) as targets
left join orchestrator.runs as builds
    on builds.target = targets.target
    and builds.kind in ('build', 'rebuild')
    and builds.status = 'succeeded'
where targets.target not in ('live', %(target)s)
group by targets.target
order by targets.target
