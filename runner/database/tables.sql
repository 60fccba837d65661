-- has_others --
-- Whether a relation has columns of other types than these, which a plain `=` compares. The next
-- query takes ten times as long.
select exists (
    select
    from pg_attribute as attributes
    where
        attributes.attrelid = to_regclass(%(relation)s)
        and attributes.attnum > 0
        and not attributes.attisdropped
        and attributes.atttypid <> all(
            '{bigint, boolean, date, integer, numeric, text, timestamptz, uuid}'::regtype[]
        )
) as has_others

-- operators --
-- The columns of a relation that a plain `=` cannot compare. For types of extensions, the equality
-- operator outside pg_catalog, and the type that it compares. For types without a btree order, or
-- with a part that has none, there is no operator to rely on: null, and the type of the column.
with recursive parts (name, type, part, is_base) as (
    select
        attributes.attname as name,
        format_type(attributes.atttypid, attributes.atttypmod) as type,
        attributes.atttypid as part,
        true as is_base
    from pg_attribute as attributes
    where
        attributes.attrelid = to_regclass(%(relation)s)
        and attributes.attnum > 0
        and not attributes.attisdropped
    union
    select
        parts.name,
        parts.type,
        inner_types.oid as part,
        parts.is_base and types.typtype = 'd' as is_base
    from parts
    inner join pg_type as types on types.oid = parts.part
    cross join lateral (
        select case when types.typtype = 'd' then types.typbasetype else types.typelem end as oid
        where types.typtype = 'd' or types.typcategory = 'A'
        union all
        select attributes.atttypid as oid
        from pg_attribute as attributes
        where
            types.typtype = 'c'
            and attributes.attrelid = types.typrelid
            and attributes.attnum > 0
            and not attributes.attisdropped
    ) as inner_types
)

select
    parts.name,
    format_type(classes.opcintype, null) as type,
    format('operator(%%I.%%s)', schemas.nspname, operators.oprname) as operator
from parts
inner join pg_opclass as classes on classes.opcintype = parts.part and classes.opcdefault
inner join pg_am as methods on methods.oid = classes.opcmethod and methods.amname = 'btree'
inner join pg_amop as members
    on members.amopfamily = classes.opcfamily
    and members.amoplefttype = classes.opcintype
    and members.amoprighttype = classes.opcintype
    and members.amopstrategy = 3  -- equal
inner join pg_operator as operators on operators.oid = members.amopopr
inner join pg_namespace as schemas on schemas.oid = operators.oprnamespace
where parts.is_base and schemas.nspname <> 'pg_catalog'
union all
select distinct
    parts.name,
    parts.type,
    null as operator
from parts
inner join pg_type as types on types.oid = parts.part
where
    types.typtype = 'b'
    and types.typcategory <> 'A'
    and not exists (
        select
        from pg_opclass as classes
        inner join pg_am as methods on methods.oid = classes.opcmethod and methods.amname = 'btree'
        where
            classes.opcdefault
            and (
                classes.opcintype = parts.part
                or exists (
                    select
                    from pg_cast as casts
                    where
                        casts.castsource = parts.part
                        and casts.casttarget = classes.opcintype
                        and casts.castmethod = 'b'
                        and casts.castcontext = 'i'
                )
            )
    )
