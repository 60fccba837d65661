-- servers --
-- Foreign servers with their wrapper and their options.
select
    servers.srvname as name,
    wrappers.fdwname as wrapper,
    (
        select coalesce(jsonb_object_agg(options.option_name, options.option_value), '{}')
        from pg_options_to_table(servers.srvoptions) as options
    ) as options
from pg_foreign_server as servers
inner join pg_foreign_data_wrapper as wrappers on wrappers.oid = servers.srvfdw

-- tables --
-- The relations in the schema of a foreign server, with the options of foreign tables.
select
    relations.relname as name,
    (
        select coalesce(jsonb_object_agg(options.option_name, options.option_value), '{}')
        from pg_foreign_table as foreign_tables
        cross join lateral pg_options_to_table(foreign_tables.ftoptions) as options
        where foreign_tables.ftrelid = relations.oid
    ) as options
from pg_class as relations
inner join pg_namespace as schemas on schemas.oid = relations.relnamespace
where schemas.nspname = %(server)s
order by relations.relname

-- imported --
-- Whether a table was imported; it may be missing on the server.
select relations.oid
from pg_class as relations
inner join pg_namespace as schemas on schemas.oid = relations.relnamespace
where
    schemas.nspname = %(schema)s
    and relations.relname = %(name)s

-- has_extension --
-- Whether an extension exists already: creating it needs more privileges than using it.
select extensions.extname
from pg_extension as extensions
where extensions.extname = %(name)s

-- is_mapped --
-- Whether this role is mapped to a user on a foreign server.
select mappings.umid
from pg_user_mappings as mappings
where
    mappings.srvname = %(server)s
    and mappings.usename = current_user

-- keep_password --
-- Keep a password in a setting, for the next statement: parameters are not logged as statements
-- are.
select set_config('milepost.password', %(password)s, true)

-- map_user --
-- Map this role to a user on a foreign server, with the password of the setting. An error is raised
-- again without the statement, which contains the password.
do $$
begin
    execute format(
        'create user mapping for current_user server %I options (%I %L, password %L)',
        {{ server_name }}, {{ user_option }}, {{ user }}, current_setting('milepost.password')
    );
exception
    when others then raise exception using message = sqlerrm, errcode = sqlstate;
end;
$$

-- mariadb_catalogue --
-- Create foreign tables of the catalogue of a MariaDB, which are dropped again: mysql_fdw's own
-- import would lose types.
create foreign table {{ server }}._columns (
    table_schema text,
    table_name text,
    column_name text,
    ordinal_position bigint,
    is_nullable text,
    data_type text,
    column_type text,
    numeric_precision bigint,
    numeric_scale bigint
) server {{ server }} options (dbname 'information_schema', table_name 'COLUMNS');

create foreign table {{ server }}._indexes (
    table_schema text,
    table_name text,
    column_name text,
    seq_in_index bigint
) server {{ server }} options (dbname 'information_schema', table_name 'STATISTICS')

-- mariadb_columns --
-- Columns of a table there, in order; none if it does not exist or is hidden. `arrives_as` is the
-- type of the foreign table's column: text, unless listed. Dates there may be 0000-00-00: they
-- arrive as text and are cast to `later_type`, when a row with an invalid one can be set aside.
-- Only the cursor arrives as a timestamp, since windows search by it.
select
    columns.column_name as name,
    case
        when
            columns.column_name = {{ cursor }}
            and columns.data_type in ('datetime', 'timestamp') then 'timestamp'
        when columns.data_type = 'decimal'
            then format('numeric(%s,%s)', columns.numeric_precision, columns.numeric_scale)
        when columns.column_type like '%unsigned%' and columns.data_type = 'smallint' then 'integer'
        when columns.column_type like '%unsigned%' and columns.data_type = 'int' then 'bigint'
        when columns.column_type like '%unsigned%' and columns.data_type = 'bigint'
            then 'numeric(20,0)'
        when columns.data_type in ('tinyint', 'smallint', 'year') then 'smallint'
        when columns.data_type in ('mediumint', 'int') then 'integer'
        when columns.data_type = 'bigint' then 'bigint'
        when columns.data_type = 'float' then 'real'
        when columns.data_type = 'double' then 'double precision'
        when columns.data_type in ('bit', 'binary', 'varbinary') then 'bytea'
        when columns.data_type like '%blob' then 'bytea'
        else 'text'
    end as arrives_as,
    case
        when
            columns.column_name = {{ cursor }}
            and columns.data_type in ('datetime', 'timestamp') then null
        when columns.data_type = 'date' then 'date'
        when columns.data_type = 'datetime' then 'timestamp without time zone'
        when columns.data_type = 'timestamp' then 'timestamp with time zone'
        when columns.data_type = 'time' then 'interval'
    end as later_type,
    columns.data_type = 'timestamp' as has_zone,
    columns.is_nullable = 'NO' as is_required
from {{ server }}._columns as columns
where
    columns.table_schema = {{ database }}
    and columns.table_name = {{ table }}
order by columns.ordinal_position

-- mariadb_clock --
-- Create the foreign table of the clock there, with the columns of sql/ingest/clock.sql.
create foreign table {{ server }}.clock (
    clock timestamptz,
    settled timestamptz,
    held_since timestamptz,
    held_by text,
    sees_all boolean,
    horizon numeric,
    next_xid numeric,
    identity text
) server {{ server }} options (dbname {{ database }}, table_name 'milepost_clock')

-- mariadb_indexed --
-- Whether an index there begins with a column.
select indexes.column_name
from {{ server }}._indexes as indexes
where
    indexes.table_schema = {{ database }}
    and indexes.table_name = {{ table }}
    and indexes.column_name = {{ column }}
    and indexes.seq_in_index = 1
limit 1

-- postgres_catalogue --
-- Create a foreign table of the indexes of another PostgreSQL, which is dropped again.
create foreign table {{ server }}._indexes (
    schemaname text,
    tablename text,
    indexdef text
) server {{ server }} options (schema_name 'pg_catalog', table_name 'pg_indexes')

-- postgres_indexed --
-- Whether an index there begins with a column.
select indexes.indexdef
from {{ server }}._indexes as indexes
where
    indexes.schemaname = {{ namespace }}
    and indexes.tablename = {{ table }}
    and split_part(split_part(split_part(indexes.indexdef, '(', 2), ')', 1), ',', 1)
    in ({{ column }}, quote_ident({{ column }}), {{ column }} || ' DESC')
limit 1
