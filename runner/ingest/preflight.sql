-- preflight --
-- Facts about a source that decide how fast, and how completely, it can be read.
select
    has_table_privilege(relations.oid, 'select') as is_readable,
    exists (
        select
        from pg_index as indexes
        inner join pg_attribute as attributes
            on attributes.attrelid = indexes.indrelid and attributes.attnum = indexes.indkey[0]
        inner join pg_class as names on names.oid = indexes.indexrelid
        inner join pg_am as methods on methods.oid = names.relam
        where
            indexes.indrelid = relations.oid
            and indexes.indisvalid
            and indexes.indpred is null
            and attributes.attname = %(cursor)s
            and methods.amname = 'btree'
    ) as has_index,
    (
        select pg_get_expr(defaults.adbin, defaults.adrelid)
        from pg_attrdef as defaults
        inner join pg_attribute as attributes
            on attributes.attrelid = defaults.adrelid and attributes.attnum = defaults.adnum
        where defaults.adrelid = relations.oid and attributes.attname = %(cursor)s
    ) as cursor_default
from pg_class as relations
where relations.oid = to_regclass(%(relation)s)
