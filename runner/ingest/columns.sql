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
    end as collation
from pg_attribute as attributes
inner join pg_type as types on types.oid = attributes.atttypid
where
    attributes.attrelid = to_regclass(%(relation)s)
    and attributes.attnum > 0
    and not attributes.attisdropped
order by attributes.attnum

-- is_replica --
-- Whether a table is a replica of ours: it says who brought its rows.
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

-- forms --
-- Columns of a relation, in order, with how a value of each is kept as JSON. `is_exact`: JSON holds
-- it, and gives it back byte for byte. `is_safe`: JSON holds something of it at least, whatever the
-- value. `is_json`: it is JSON itself; `is_reference`: it names an object, and has a number.
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
    -- JSON has no minus zero.
    described.is_scalar
    and not described.is_reference
    and described.type_oid not in ('float4'::regtype, 'float8'::regtype) as is_exact,
    described.is_scalar
    or described.type_oid = 'jsonb'::regtype
    or coalesce(described.is_array_of_scalars, false) as is_safe,
    described.is_json,
    described.type_oid = 'jsonb'::regtype as is_jsonb,
    described.is_reference
from described
order by described.attnum
