-- nature --
-- What decides how far a relation can be trusted to show all of its rows:
-- kind: a table (with its partitions), a view, or foreign. So are materialized views: as on another
--     server, it cannot be seen when their rows are written.
-- hides_rows: whether row security hides rows of it, or of a table that a view reads.
-- is_unique: whether a unique index covers the key; null if that cannot be known.
-- has_children: whether rows of child tables are read with it, which its key does not cover.
-- is_built: whether a build may write it.
-- is_distributed: whether its rows are on the workers of a cluster, with transactions of their own.
-- remote_name: the name of the table that a foreign table reads.
-- is_monthly: whether the replica is partitioned by month.
with recursive below (oid, relkind, reader) as (
    select
        relations.oid,
        relations.relkind,
        roles.oid as reader
    from pg_class as relations
    inner join pg_roles as roles on roles.rolname = current_user
    where relations.oid = to_regclass(%(relation)s)
    union
    select
        relations.oid,
        relations.relkind,
        nested.reader
    from below
    cross join lateral (
        -- Whoever may read a parent may read its children.
        select
            children.inhrelid as oid,
            null::oid as reader
        from pg_inherits as children
        where children.inhparent = below.oid
        union all
        select
            dependencies.refobjid as oid,
            case
                when 'security_invoker=true' = any(views.reloptions) then below.reader
                else views.relowner
            end as reader
        from pg_rewrite as rules
        inner join pg_class as views on views.oid = rules.ev_class
        inner join pg_depend as dependencies
            on dependencies.classid = 'pg_rewrite'::regclass
            and dependencies.objid = rules.oid
            and dependencies.refclassid = 'pg_class'::regclass
            and dependencies.refobjid <> rules.ev_class
        where rules.ev_class = below.oid
    ) as nested
    inner join pg_class as relations on relations.oid = nested.oid
)

select
    case
        when (select bool_or(below.relkind in ('f', 'm')) from below) then 'foreign'
        when relations.relkind in ('r', 'p') then 'table'
        else 'view'
    end as kind,
    row_security_active(relations.oid)
    or exists (
        select
        from below
        inner join pg_class as secured on secured.oid = below.oid
        inner join pg_roles as readers on readers.oid = below.reader
        where
            secured.relrowsecurity
            and not readers.rolsuper
            and not readers.rolbypassrls
            and (
                secured.relforcerowsecurity
                or not pg_has_role(readers.oid, secured.relowner, 'usage')
            )
    ) as hides_rows,
    case
        when relations.relkind in ('r', 'p')
            then exists (
                select
                from pg_index as indexes
                where
                    indexes.indrelid = relations.oid
                    and indexes.indisunique
                    and indexes.indisvalid
                    and indexes.indimmediate
                    and indexes.indpred is null
                    and indexes.indexprs is null
                    and (
                        select bool_and(attributes.attname::text = any(%(keys)s::text[]))
                        from pg_attribute as attributes
                        where
                            attributes.attrelid = relations.oid
                            and attributes.attnum
                            = any((indexes.indkey::smallint[])[:indexes.indnkeyatts - 1])
                    )
            )
    end as is_unique,
    relations.relkind = 'r'
    and exists (
        select
        from pg_inherits as children
        where children.inhparent = relations.oid
    ) as has_children,
    exists (
        select
        from below
        inner join pg_class as read on read.oid = below.oid
        where read.relnamespace::regnamespace::text ~ '(^|_)(warehouse|reporting)$'
    ) as is_built,
    exists (
        select
        from below
        inner join pg_trigger as triggers on triggers.tgrelid = below.oid
        inner join pg_proc as functions on functions.oid = triggers.tgfoid
        where functions.proname = 'citus_truncate_trigger'
    ) as is_distributed,
    (
        select options.option_value
        from pg_foreign_table as foreign_tables
        cross join lateral pg_options_to_table(foreign_tables.ftoptions) as options
        where
            foreign_tables.ftrelid = relations.oid
            and options.option_name = 'table_name'
    ) as remote_name,
    exists (
        select
        from pg_partitioned_table as tables
        where tables.partrelid = to_regclass(%(target)s)
    ) as is_monthly
from pg_class as relations
where relations.oid = to_regclass(%(relation)s)

-- files --
-- The tables that rows are read from, with their partitions; and the file that holds the rows of
-- the replica, which changes when that is truncated or created again.
with recursive tables as (
    select to_regclass(%(source)s)::oid as oid
    union
    select children.inhrelid as oid
    from tables
    inner join pg_inherits as children on children.inhparent = tables.oid
)

select
    (select string_agg(tables.oid::text, ',' order by tables.oid) from tables) as source,
    coalesce(orchestrator.storage_file(to_regclass(%(target)s)), 0) as target

-- expected_seconds --
-- How long a search of the whole table should take, at 200 MB and 2 million rows a second. Null if
-- some of the rows are on another server.
with recursive tables as (
    select to_regclass(%(source)s)::oid as oid
    union
    select children.inhrelid as oid
    from tables
    inner join pg_inherits as children on children.inhparent = tables.oid
)

select
    case
        when not bool_or(relations.relkind = 'f')
            then greatest(
                sum(pg_relation_size(relations.oid)) / 200e6,
                sum(relations.reltuples) filter (where relations.reltuples > 0) / 2e6
            )
    end as seconds
from tables
inner join pg_class as relations on relations.oid = tables.oid

-- tables --
-- The tables whose columns decide what is stored: those of the source, and the replica.
with recursive tables as (
    select to_regclass(%(source)s)::oid as oid
    union
    select children.inhrelid as oid
    from tables
    inner join pg_inherits as children on children.inhparent = tables.oid
)

select tables.oid
from tables
union all
select to_regclass(%(target)s)::oid as oid

-- clock --
-- The clock of a source. Whatever it says, rows below the watermark are loaded already.
select
    now_there.clock::text as clock,
    greatest(now_there.settled, %(watermark)s::timestamptz)::text as settled,
    greatest(now_there.clock - interval '1 second', %(watermark)s::timestamptz)::text as unheld,
    now_there.clock < %(watermark)s::timestamptz as is_behind,
    to_char(now_there.held_since, 'YYYY-MM-DD HH24:MI:SS') as held_since,
    now_there.held_by,
    coalesce(now_there.clock - now_there.held_since > %(max_hold)s::interval, false)
    as hold_is_over,
    coalesce(now_there.sees_all, false) as sees_all,
    now_there.horizon::bigint,
    now_there.next_xid::bigint,
    now_there.identity
from (
{{ clock }}
) as now_there

-- no_clock --
-- The clock of a source that has none: the time of this server, and nothing about open
-- transactions.
select
    clock_timestamp() as clock,
    clock_timestamp() - interval '1 second' as settled,
    null::timestamptz as held_since,
    null as held_by,
    false as sees_all,
    null::numeric as horizon,
    null::numeric as next_xid,
    'unknown' as identity
