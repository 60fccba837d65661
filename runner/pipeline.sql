-- definition --
-- A pipeline with its watermark: the highest end of a window that ever succeeded.
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
    greatest(
        pipelines.start_at,
        (
            select max(runs.high)
            from orchestrator.runs as runs
            where
                runs.pipeline_id = pipelines.pipeline_id
                and runs.kind = 'window'
                and runs.status = 'succeeded'
        )
    )::text as watermark
from orchestrator.pipeline_definitions as pipelines
where pipelines.pipeline_id = %(pipeline_id)s

-- pipelines --
-- The pipelines to run: the enabled ones, or those of a name.
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

-- columns --
-- Columns of a relation, in order.
select
    attributes.attname as name,
    format_type(attributes.atttypid, attributes.atttypmod) as type,
    -- json, points, arrays of them and the like know no equality or order; as text they do.
    types.typtype <> 'e'
    and types.typname <> 'varchar'
    and not exists (
        select
        from pg_opclass as classes
        inner join pg_am as methods on methods.oid = classes.opcmethod
        where
            methods.amname = 'btree'
            and classes.opcdefault
            and classes.opcintype = types.oid
    ) as has_no_equality,
    attributes.attnotnull as is_required,
    col_description(attributes.attrelid, attributes.attnum) as comment
from pg_attribute as attributes
inner join pg_type as types on types.oid = attributes.atttypid
where
    attributes.attrelid = to_regclass(%(relation)s)
    and attributes.attnum > 0
    and not attributes.attisdropped
order by attributes.attnum

-- settled --
-- The moment before which no open transaction can still write. Long readers hold it back too, our
-- own builds do not: they are known by their lock. A prepared transaction that has written anything
-- stops it; who is active is read first, so that nobody slips from the one list to the other.
with active as materialized (
    select least(clock_timestamp(), min(activity.xact_start)) as moment
    from pg_stat_activity as activity
    where
        activity.datname = current_database()
        and activity.pid <> pg_backend_pid()
        and activity.backend_type not in ('autovacuum worker', 'walsender')
        and not exists (
            select
            from pg_locks as locks
            where
                locks.pid = activity.pid
                and locks.locktype = 'advisory'
                and locks.classid = %(build_lock)s
                and locks.objsubid = 2
                and locks.granted
        )
)

select
    case
        when exists (
            select
            from pg_locks as locks
            where
                locks.pid is null
                and locks.locktype = 'relation'
                and locks.database = (
                    select databases.oid
                    from pg_database as databases
                    where databases.datname = current_database()
                )
                and locks.mode not in ('AccessShareLock', 'RowShareLock')
        ) then '-infinity'
        else (active.moment - make_interval(secs => %(margin)s))::text
    end as settled,
    -- Without this right the start of other people's transactions is hidden, and so is what they
    -- will write; and who writes to a foreign table is known to its own server alone.
    pg_has_role('pg_read_all_stats', 'usage')
    and current_setting('track_activities')::boolean
    and not exists (
        select
        from pg_class as relations
        where
            relations.oid = to_regclass(%(source)s)
            and relations.relkind = 'f'
    ) as sees_all
from active

-- holder --
-- Who holds the settled bound back.
select
    activity.pid,
    activity.application_name,
    activity.state,
    date_trunc('second', clock_timestamp() - activity.xact_start)::text as age
from pg_stat_activity as activity
where
    activity.datname = current_database()
    and activity.pid <> pg_backend_pid()
    and activity.backend_type not in ('autovacuum worker', 'walsender')
    and activity.xact_start is not null
order by activity.xact_start
limit 1

-- indexed --
-- Whether an index of a relation begins with a column.
select indexes.indexrelid
from pg_index as indexes
inner join pg_attribute as attributes
    on attributes.attrelid = indexes.indrelid and attributes.attnum = indexes.indkey[0]
where
    indexes.indrelid = to_regclass(%(relation)s)
    and attributes.attname = %(column)s
limit 1
