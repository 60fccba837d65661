-- pipeline --
-- The first pipeline, or the first that reads the named table.
select
    pipelines.source_relation as source,
    pipelines.cursor_column as cursor
from orchestrator.pipeline_definitions as pipelines
where %(name)s::text is null or pipelines.source_relation = %(name)s
order by pipelines.pipeline_id
limit 1

-- columns --
-- What a row may give. The type has no length: the insert checks it, and never cuts a value. Under
-- domains, and in arrays and ranges, there may be a type of times.
select
    format('%%I.%%I', namespaces.nspname, classes.relname) as table,
    attributes.attname as name,
    format_type(attributes.atttypid, -1) as type,
    attributes.attnotnull and not attributes.atthasdef as is_required,
    times.time_type,
    coalesce(times.is_part, false) as has_parts
from pg_catalog.pg_attribute as attributes
inner join pg_catalog.pg_class as classes on classes.oid = attributes.attrelid
inner join pg_catalog.pg_namespace as namespaces on namespaces.oid = classes.relnamespace
left join lateral (
    with recursive parts (type, is_part) as (
        select
            attributes.atttypid as type,
            false as is_part
        union
        select
            nested.type,
            parts.is_part or nested.is_part as is_part
        from parts
        inner join pg_catalog.pg_type as types on types.oid = parts.type
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
            from pg_catalog.pg_range as ranges
            where types.oid in (ranges.rngtypid, ranges.rngmultitypid)
        ) as nested
        where nested.type <> 0
    )

    select
        format_type(parts.type, null) as time_type,
        parts.is_part
    from parts
    where
        parts.type in (
            'date'::regtype,
            'timestamp'::regtype,
            'timestamptz'::regtype,
            'time'::regtype,
            'timetz'::regtype
        )
    limit 1
) as times on true
where
    attributes.attrelid = to_regclass(%(source)s)
    and attributes.attnum > 0
    and not attributes.attisdropped
    and attributes.attidentity = ''
    and attributes.attgenerated = ''
    and attributes.attname is distinct from %(cursor)s
order by attributes.attnum
