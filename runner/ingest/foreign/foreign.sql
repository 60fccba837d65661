-- servers --
-- Foreign servers with their wrapper and where they lead.
select
    servers.srvname as name,
    wrappers.fdwname as wrapper,
    (
        select coalesce(jsonb_object_agg(options.option_name, options.option_value), '{}')
        from pg_options_to_table(servers.srvoptions) as options
    ) as options
from pg_foreign_server as servers
inner join pg_foreign_data_wrapper as wrappers on wrappers.oid = servers.srvfdw

-- has_extension --
-- Whether a wrapper is here already: to make it takes more rights than to use it.
select extensions.extname
from pg_extension as extensions
where extensions.extname = %(name)s

-- is_mapped --
-- Whether this role has a user on a foreign server.
select mappings.umid
from pg_user_mappings as mappings
where
    mappings.srvname = %(server)s
    and mappings.usename = current_user

-- keep_password --
-- A password for the next statement, which finds it here: statements are logged, values are not.
select set_config('milepost.password', %(password)s, true)

-- map_user --
-- A user on a foreign server, with the password that was left in the session. An error is raised
-- anew, without the statement that it came from.
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
-- The catalogue of a MariaDB, for a moment: what its import makes of types is not what we want.
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
-- Columns of a table there, in order; none if it is not there or hidden.
select
    columns.column_name as name,
    columns.data_type,
    columns.column_type like '%unsigned%' as is_unsigned,
    columns.numeric_precision as precision,
    columns.numeric_scale as scale,
    columns.is_nullable = 'NO' as is_required
from {{ server }}._columns as columns
where
    columns.table_schema = {{ database }}
    and columns.table_name = {{ table }}
order by columns.ordinal_position

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
-- The indexes of another PostgreSQL, for a moment.
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
