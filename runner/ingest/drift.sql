-- followed --
-- Of the columns whose type differs between a source and its replica, those whose new type the
-- replica can take: every stored value stays the same, because PostgreSQL has an implicit cast, or
-- because the type is the same with a larger length or precision.
with columns as (
    select
        attributes.attrelid,
        attributes.attname,
        types.typcategory = 'A' as is_array,
        -- Arrays follow where their elements do.
        coalesce(elements.oid, types.oid) as type,
        coalesce(elements.typname, types.typname) as type_name,
        coalesce(elements.typcategory, types.typcategory) as category,
        nullif(attributes.atttypmod, -1) as modifier
    from pg_attribute as attributes
    inner join pg_type as types on types.oid = attributes.atttypid
    left join pg_type as elements on elements.oid = types.typelem and types.typcategory = 'A'
    where
        attributes.attrelid in (to_regclass(%(source)s), to_regclass(%(target)s))
        and attributes.attname = any(%(columns)s)
        and attributes.attnum > 0
        and not attributes.attisdropped
),

-- A numeric has digits before and after the point, an integer only before it: `scale` is null.
measured as (
    select
        columns.*,
        case
            when columns.type_name = 'int2' then 5
            when columns.type_name = 'int4' then 10
            when columns.type_name = 'int8' then 19
            when columns.type_name = 'numeric'
                then ((columns.modifier - 4) >> 16) - columns.scale
        end as digits
    from (
        select
            columns.*,
            case
                when columns.type_name = 'numeric'
                    then (((columns.modifier - 4) & 2047) # 1024) - 1024
            end as scale
        from columns
    ) as columns
)

select source.attname as name
from measured as source
inner join measured as stored
    on stored.attname = source.attname
    and stored.attrelid = to_regclass(%(target)s)
    and stored.is_array = source.is_array
where
    source.attrelid = to_regclass(%(source)s)
    and (
        source.type = stored.type
        or exists (
            select
            from pg_cast as casts
            where
                casts.castsource = stored.type
                and casts.casttarget = source.type
                and casts.castcontext = 'i'
                and source.category = stored.category
                -- Some implicit casts lose something, or depend on the time zone.
                and case source.type_name
                    when 'float4' then stored.type_name = 'int2'
                    when 'float8' then stored.type_name in ('int2', 'int4', 'float4')
                    else source.type_name not in (
                        'bit', 'bpchar', 'macaddr', 'name', 'timestamptz', 'timetz'
                    )
                end
        )
    )
    and case
        when source.modifier is null then true
        when source.type_name = 'numeric'
            then source.digits >= stored.digits and source.scale >= coalesce(stored.scale, 0)
        when source.type_name in ('varchar', 'bpchar', 'varbit')
            then source.modifier >= stored.modifier
        when source.type_name in ('timestamp', 'timestamptz', 'time', 'timetz')
            then source.modifier >= stored.modifier or stored.type_name = 'date'
        else false
    end

-- views --
-- The views that read a column of a table, with two statements for each. The first makes the view
-- read no table, so that the type of the column can change; the second restores it. Everything else
-- about the view stays: its owner, its grants, its comments and the views that read it.
select
    dependents.name,
    dependents.plain_name,
    format(
        'create or replace view %%s as select %%s',
        dependents.name,
        (
            select
                string_agg(
                    format(
                        'null::%%s%%s as %%I',
                        format_type(attributes.atttypid, attributes.atttypmod),
                        case
                            when attributes.attcollation <> types.typcollation
                                then ' collate ' || attributes.attcollation::regcollation
                        end,
                        attributes.attname
                    ),
                    ', ' order by attributes.attnum
                )
            from pg_attribute as attributes
            inner join pg_type as types on types.oid = attributes.atttypid
            where attributes.attrelid = dependents.oid and attributes.attnum > 0
        )
    ) as without_table,
    format(
        'create or replace view %%s %%s as %%s',
        dependents.name,
        'with (' || array_to_string(dependents.reloptions, ', ') || ')',
        pg_get_viewdef(dependents.oid)
    ) as as_it_was
from (
    select distinct
        views.oid,
        format('%%I.%%I', schemas.nspname, views.relname) as name,
        schemas.nspname || '.' || views.relname as plain_name,
        views.reloptions
    from pg_depend as dependencies
    inner join pg_rewrite as rules
        on dependencies.classid = 'pg_rewrite'::regclass and rules.oid = dependencies.objid
    inner join pg_class as views on views.oid = rules.ev_class and views.relkind = 'v'
    inner join pg_namespace as schemas on schemas.oid = views.relnamespace
    inner join pg_attribute as attributes
        on attributes.attrelid = dependencies.refobjid
        and attributes.attnum = dependencies.refobjsubid
    where
        dependencies.refclassid = 'pg_class'::regclass
        and dependencies.refobjid = to_regclass(%(target)s)
        and attributes.attname = any(%(columns)s)
        and rules.rulename = '_RETURN'
) as dependents
order by dependents.name
