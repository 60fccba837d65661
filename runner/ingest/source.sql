-- nature --
-- What a relation is, as far as a guarantee goes: a table (with its partitions), a view, or
-- foreign: rows of another server, or of a materialized view, may be written unseen from here.
-- Whether row security hides rows of it, and whether its key is unique (null where that is not
-- known).
with recursive below (oid, relkind) as (
    select
        relations.oid,
        relations.relkind
    from pg_class as relations
    where relations.oid = to_regclass(%(relation)s)
    union
    select
        relations.oid,
        relations.relkind
    from below
    cross join lateral (
        select children.inhrelid as oid
        from pg_inherits as children
        where children.inhparent = below.oid
        union all
        select dependencies.refobjid as oid
        from pg_rewrite as rules
        inner join pg_depend as dependencies
            on dependencies.classid = 'pg_rewrite'::regclass
            and dependencies.objid = rules.oid
            and dependencies.refclassid = 'pg_class'::regclass
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
    row_security_active(relations.oid) as hides_rows,
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
    end as is_unique
from pg_class as relations
where relations.oid = to_regclass(%(relation)s)

-- files --
-- The tables that rows are read from, with their partitions; and the file that a replica's rows are
-- in, another one after it was truncated or made anew.
with recursive tables as (
    select to_regclass(%(source)s)::oid as oid
    union
    select children.inhrelid as oid
    from tables
    inner join pg_inherits as children on children.inhparent = tables.oid
)

select
    (select string_agg(tables.oid::text, ',' order by tables.oid) from tables) as source,
    coalesce(pg_relation_filenode(to_regclass(%(target)s)), 0) as target

-- clock --
-- The clock of a source. Rows below the watermark are loaded, whatever the clock says.
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
    now_there.horizon,
    now_there.next_xid,
    now_there.identity
from (
{{ clock }}
) as now_there

-- no_clock --
-- A source that nobody tells the time of: it is as late there as here, and what is open there is
-- not known.
select
    clock_timestamp() as clock,
    clock_timestamp() - interval '1 second' as settled,
    null::timestamptz as held_since,
    null as held_by,
    false as sees_all,
    null::numeric as horizon,
    null::numeric as next_xid,
    'unknown' as identity
