-- The definitions of the columns of some tables, as one hash: all that changes a value without a
-- row being written. For a column, its number, its type, the value that older rows have, and its
-- expression if it is generated; for its types, their parts and labels. Another PostgreSQL has it
-- in a view: on_postgres.sql.

with recursive columns as (
    select
        attributes.atttypid as type,
        concat_ws(
            ' ',
            attributes.attrelid,
            attributes.attnum,
            quote_ident(attributes.attname),
            attributes.atttypid,
            attributes.atttypmod,
            attributes.attcollation,
            quote_nullable(attributes.attmissingval::text),
            attributes.attgenerated,
            case
                when attributes.attgenerated <> ''
                    then pg_get_expr(expressions.adbin, expressions.adrelid)
            end
        ) as description
    from pg_attribute as attributes
    left join pg_attrdef as expressions
        on expressions.adrelid = attributes.attrelid and expressions.adnum = attributes.attnum
    where
        attributes.attrelid in ({{ tables }})
        and attributes.attnum > 0
        and not attributes.attisdropped
),

types (oid) as (
    select columns.type as oid
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
),

meanings as (
    select concat_ws(' ', labels.enumtypid, labels.oid, labels.enumlabel) as description
    from types
    inner join pg_enum as labels on labels.enumtypid = types.oid
    union all
    select
        concat_ws(
            ' ', types.oid, attributes.attnum, attributes.attname, attributes.atttypid
        ) as description
    from types
    inner join pg_type as whole on whole.oid = types.oid and whole.typtype = 'c'
    inner join pg_attribute as attributes
        on attributes.attrelid = whole.typrelid
        and attributes.attnum > 0
        and not attributes.attisdropped
)

select
    md5(
        concat_ws(
            ':',
            (select string_agg(columns.description, ',' order by columns.description) from columns),
            (
                select string_agg(meanings.description, ',' order by meanings.description)
                from meanings
            )
        )
    ) as identity
