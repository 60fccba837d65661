-- columns --
-- Columns of a relation, in order.
select
    attributes.attname as name,
    format_type(attributes.atttypid, attributes.atttypmod) as type,
    attributes.attnotnull as is_required,
    col_description(attributes.attrelid, attributes.attnum) as comment,
    case
        when attributes.attcollation <> types.typcollation
            then attributes.attcollation::regcollation::text
    end as collation,
    coalesce(not collations.collisdeterministic, false) as is_loose,
    types.typcategory = 'S' as is_text
from pg_attribute as attributes
inner join pg_type as types on types.oid = attributes.atttypid
left join pg_collation as collations on collations.oid = attributes.attcollation
where
    attributes.attrelid = to_regclass(%(relation)s)
    and attributes.attnum > 0
    and not attributes.attisdropped
order by attributes.attnum

-- time_types --
-- Which of some types are dates or times, domains over them, or arrays or ranges of them.
with recursive parts (name, type, is_part) as (
    select
        wanted.name,
        to_regtype(wanted.name)::oid as type,
        false as is_part
    from unnest(%(types)s::text[]) as wanted (name)
    union
    select
        parts.name,
        nested.type,
        parts.is_part or nested.is_part as is_part
    from parts
    inner join pg_type as types on types.oid = parts.type
    cross join lateral (
        select
            types.typbasetype as type,
            false as is_part
        union all
        select
            types.typelem as type,
            true as is_part
        union all
        select
            ranges.rngsubtype as type,
            true as is_part
        from pg_range as ranges
        where types.oid in (ranges.rngtypid, ranges.rngmultitypid)
    ) as nested
    where nested.type <> 0
)

select
    parts.name,
    format_type(parts.type, null) as time_type,
    parts.is_part as has_parts
from parts
where
    parts.type in (
        'date'::regtype,
        'timestamp'::regtype,
        'timestamptz'::regtype,
        'time'::regtype,
        'timetz'::regtype
    )

-- is_replica --
-- Whether a table is a replica: it has a column with the run that brought each row.
select
    exists (
        select
        from pg_attribute as attributes
        where
            attributes.attrelid = to_regclass(%(relation)s)
            and attributes.attname = '_run_id'
            and attributes.atttypid = 'bigint'::regtype
            and attributes.attnotnull
            and not attributes.attisdropped
    ) as is_replica

-- kept_columns --
-- Columns of a relation, in order, with expressions that keep a value of each, {0}. `is_json`: the
-- column is JSON itself. `readable` is the value in a form that to_jsonb() always accepts;
-- `as_text` is its text, null if JSON gives back the same value byte for byte.
with recursive bases (type, base) as (
    select distinct
        attributes.atttypid as type,
        attributes.atttypid as base
    from pg_attribute as attributes
    where
        attributes.attrelid = to_regclass(%(relation)s)
        and attributes.attnum > 0
        and not attributes.attisdropped
    union all
    select
        bases.type,
        types.typbasetype as base
    from bases
    inner join pg_type as types on types.oid = bases.base and types.typtype = 'd'
),

described as (
    select
        attributes.attname as name,
        attributes.attnum,
        format_type(attributes.atttypid, attributes.atttypmod) as type,
        types.oid as type_oid,
        types.typtype in ('b', 'e', 'r', 'm')
        and types.typelem = 0
        and types.oid not in ('json'::regtype, 'jsonb'::regtype)
        and not exists (
            select
            from pg_cast as casts
            where casts.castsource = types.oid and casts.casttarget = 'json'::regtype
        ) as is_scalar,
        elements.typtype in ('b', 'e', 'r', 'm')
        and elements.typelem = 0
        and elements.oid not in ('json'::regtype, 'jsonb'::regtype)
        and not exists (
            select
            from pg_cast as casts
            where casts.castsource = elements.oid and casts.casttarget = 'json'::regtype
        ) as is_array_of_scalars,
        types.typname like 'reg%%' and types.typnamespace = 'pg_catalog'::regnamespace
        as is_reference,
        exists (
            select
            from bases
            where
                bases.type = attributes.atttypid
                and bases.base in ('json'::regtype, 'jsonb'::regtype)
        ) as is_json
    from pg_attribute as attributes
    inner join pg_type as types on types.oid = attributes.atttypid
    left join pg_type as elements on elements.oid = types.typelem and types.typlen = -1
    where
        attributes.attrelid = to_regclass(%(relation)s)
        and attributes.attnum > 0
        and not attributes.attisdropped
)

select
    described.name,
    described.type,
    described.is_json,
    case
        when
            described.is_scalar
            or described.type_oid = 'jsonb'::regtype
            or coalesce(described.is_array_of_scalars, false)
            then '{0}'
        else 'orchestrator.readable({0})'
    end as readable,
    case
        when described.is_reference  -- several objects may have the name
            then 'case when {0} is distinct from null then concat({0}::oid) end'
        when described.type_oid = 'jsonb'::regtype  -- a JSON null would become an SQL null
            then 'case when {0} = ''null'' then ''null'' end'
        when
            described.is_scalar
            -- JSON has no minus zero.
            and described.type_oid not in ('float4'::regtype, 'float8'::regtype)
            then null
        -- `is null` would be true of a row of nulls too.
        else 'case when {0} is distinct from null then concat({0}) end'
    end as as_text
from described
order by described.attnum
