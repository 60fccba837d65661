-- columns --
-- Columns of a relation, in order.
select
    attributes.attname as name,
    format_type(attributes.atttypid, attributes.atttypmod) as type,
    attributes.attnotnull as is_required,
    col_description(attributes.attrelid, attributes.attnum) as comment
from pg_attribute as attributes
where
    attributes.attrelid = to_regclass(%(relation)s)
    and attributes.attnum > 0
    and not attributes.attisdropped
order by attributes.attnum
