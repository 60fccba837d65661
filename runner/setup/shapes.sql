-- columns --
-- The columns of a source, with the names of their types.
select
    attributes.attname as column,
    format_type(attributes.atttypid, null) as type
from pg_attribute as attributes
where
    attributes.attrelid = to_regclass(
        (
            select string_agg(quote_ident(parts.name), '.' order by parts.place)
            from unnest(string_to_array(%(relation)s, '.')) with ordinality as parts (name, place)
        )
    )
    and attributes.attnum > 0
    and not attributes.attisdropped
order by attributes.attnum

-- pipeline --
-- The source of a pipeline.
select definitions.source_relation
from orchestrator.pipeline_definitions as definitions
where definitions.pipeline_name = %(pipeline)s
