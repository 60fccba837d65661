-- nature --
-- What a relation is, as far as a guarantee goes: a table (with its partitions), a view, or
-- foreign: rows of another server, or of a materialized view, may be written unseen from here.
-- Whether row security hides rows of it, or of a table that a view reads; whether its key is unique
-- (null where that is not known), which that of a table says nothing of its children; and what the
-- view is called that a foreign table reads.
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
        -- Who may read a parent reads its children.
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
            and (secured.relforcerowsecurity or not pg_has_role(readers.oid, secured.relowner, 'usage'))
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
    (
        select options.option_value
        from pg_foreign_table as foreign_tables
        cross join lateral pg_options_to_table(foreign_tables.ftoptions) as options
        where
            foreign_tables.ftrelid = relations.oid
            and options.option_name = 'table_name'
    ) as remote_name
from pg_class as relations
where relations.oid = to_regclass(%(relation)s)

-- identity --
-- What a source is: the tables that rows are read from, with their partitions, and every column of
-- them with what gives its values without a row being written - its number, its type, the value that
-- old rows have of it, how it is computed, what the types it is made of say; and the same of a
-- replica, with the file that its rows are in, another one after it was truncated or made anew.
with recursive sources (oid) as (
    select to_regclass(%(source)s)::oid as oid
    union
    select children.inhrelid as oid
    from sources
    inner join pg_inherits as children on children.inhparent = sources.oid
),

columns as (
    select
        attributes.attrelid,
        attributes.atttypid,
        format(
            '%%s %%s %%s %%s %%s %%s %%s %%s',
            attributes.attnum,
            attributes.attname,
            attributes.atttypid,
            attributes.atttypmod,
            attributes.attcollation,
            attributes.attmissingval::text,
            attributes.attgenerated,
            case
                when attributes.attgenerated <> ''
                    then (
                        select pg_get_expr(expressions.adbin, expressions.adrelid)
                        from pg_attrdef as expressions
                        where
                            expressions.adrelid = attributes.attrelid
                            and expressions.adnum = attributes.attnum
                    )
            end
        ) as description
    from pg_attribute as attributes
    where
        attributes.attnum > 0
        and not attributes.attisdropped
        and (
            attributes.attrelid in (select sources.oid from sources)
            or (
                attributes.attrelid = to_regclass(%(target)s)
                and attributes.attname::text = any(%(columns)s::text[])
            )
        )
),

types (oid) as (
    select columns.atttypid as oid
    from columns
    union
    select parts.oid
    from types
    inner join pg_type as whole on whole.oid = types.oid
    cross join lateral (
        select whole.typelem as oid
        union all
        select whole.typbasetype as oid
        union all
        select attributes.atttypid as oid
        from pg_attribute as attributes
        where
            whole.typtype = 'c'
            and attributes.attrelid = whole.typrelid
            and attributes.attnum > 0
            and not attributes.attisdropped
        union all
        select ranges.rngsubtype as oid
        from pg_range as ranges
        where whole.oid in (ranges.rngtypid, ranges.rngmultitypid)
    ) as parts
    where parts.oid <> 0
)

select
    (select string_agg(sources.oid::text, ',' order by sources.oid) from sources) as source,
    (
        select md5(string_agg(
            format('%%s %%s', columns.attrelid, columns.description),
            e'\n' order by columns.attrelid, columns.description
        ))
        from columns
    ) as columns,
    (
        select md5(string_agg(labels.text, e'\n' order by labels.text))
        from (
            select format('%%s %%s %%s', labels.enumtypid, labels.oid, labels.enumlabel) as text
            from pg_enum as labels
            where labels.enumtypid in (select types.oid from types)
            union all
            select
                format(
                    '%%s %%s %%s %%s',
                    types.oid,
                    attributes.attnum,
                    attributes.attname,
                    attributes.atttypid
                ) as text
            from types
            inner join pg_type as whole on whole.oid = types.oid and whole.typtype = 'c'
            inner join pg_attribute as attributes
                on attributes.attrelid = whole.typrelid
                and attributes.attnum > 0
                and not attributes.attisdropped
        ) as labels
    ) as types,
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
