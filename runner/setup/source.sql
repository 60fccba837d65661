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
-- The columns that a file may have. Types are without length: a cast to varchar(3) would truncate a
-- value, where an insert refuses it.
select
    format('%%I.%%I', namespaces.nspname, classes.relname) as table,
    attributes.attname as name,
    format_type(attributes.atttypid, -1) as type,
    attributes.attnotnull and not attributes.atthasdef as is_required
from pg_catalog.pg_attribute as attributes
inner join pg_catalog.pg_class as classes on classes.oid = attributes.attrelid
inner join pg_catalog.pg_namespace as namespaces on namespaces.oid = classes.relnamespace
where
    attributes.attrelid = to_regclass(%(source)s)
    and attributes.attnum > 0
    and not attributes.attisdropped
    and attributes.attidentity = ''
    and attributes.attgenerated = ''
    and attributes.attname is distinct from %(cursor)s
order by attributes.attnum
