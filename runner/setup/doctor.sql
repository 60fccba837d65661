-- server --
-- What may cause problems in the server, the database and this role, each finding with a fix. Rows
-- of level ok say what was checked.
with session_of as (
    select
        current_setting('server_version_num')::integer / 10000 as version,
        current_setting('server_version') as version_text,
        current_user as role_name,
        roles.rolsuper as is_superuser,
        pg_has_role(roles.oid, 'pg_read_all_stats', 'usage') as reads_stats,
        has_database_privilege(current_database(), 'create') as creates_schemas,
        databases.oid as database_id,
        pg_encoding_to_char(databases.encoding) as encoding,
        age(databases.datfrozenxid) as oldest_age
    from pg_roles as roles
    cross join pg_database as databases
    where roles.rolname = current_user and databases.datname = current_database()
),

findings (place, level, what, finding, cure) as (
    select
        1 as place,
        case when version between 15 and 18 then 'ok' else 'problem' end as level,
        'server' as what,
        'PostgreSQL ' || version_text as finding,
        case when version not between 15 and 18 then 'use PostgreSQL 15 to 18' end as cure
    from session_of
    union all
    select
        2 as place,
        case when pg_is_in_recovery() then 'problem' else 'ok' end as level,
        'server' as what,
        case
            when pg_is_in_recovery() then 'it is a standby, where nothing can be written'
            else 'it is a primary'
        end as finding,
        case when pg_is_in_recovery() then 'connect to the primary' end as cure
    union all
    select
        3 as place,
        'problem' as level,
        'setting ' || settings.name as what,
        settings.name || ' is ' || settings.setting || ': ' || harmful.why as finding,
        'set it to ' || harmful.better || ' (' || case settings.context
            when 'user' then 'alter role ' || quote_ident(current_user) || ' set ...'
            else 'postgresql.conf, or your provider''s console'
        end || ')' as cure
    from (
        values
        ('fsync', 'off', 'on', 'a crash of the machine loses or corrupts data'),
        ('full_page_writes', 'off', 'on', 'a crash of the machine corrupts data'),
        ('autovacuum', 'off', 'on', 'tables bloat, and statistics go stale'),
        ('track_counts', 'off', 'on', 'autovacuum cannot see which tables changed'),
        ('default_transaction_read_only', 'on', 'off', 'nothing can be written')
    ) as harmful (name, setting, better, why)
    inner join pg_settings as settings
        on settings.name = harmful.name and settings.setting = harmful.setting
    union all
    -- A full build of a large history has statements that take minutes.
    select
        4 as place,
        'warning' as level,
        'setting ' || settings.name as what,
        settings.name || ' is ' || settings.setting || ' ms for this role, and cancels longer work'
            as finding,
        'alter role ' || quote_ident(current_user) || ' set ' || settings.name || ' = 0' as cure
    from pg_settings as settings
    where
        settings.name in (
            'statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout'
        )
        and settings.setting::bigint between 1 and 3600000
    union all
    -- A build locks every table that it fills, and its indexes.
    select
        5 as place,
        'warning' as level,
        'setting max_locks_per_transaction' as what,
        'there is room for ' || locks.room || ' locks, but a rebuild of ' || locks.relations
        || ' tables and indexes takes twice as many' as finding,
        'raise max_locks_per_transaction and restart the server' as cure
    from (
        select
            current_setting('max_locks_per_transaction')::integer
            * (
                current_setting('max_connections')::integer
                + current_setting('max_prepared_transactions')::integer
            ) as room,
            (
                select count(*)
                from pg_class as relations
                where
                    relations.relkind in ('r', 'p', 'i', 'S')
                    and relations.relnamespace in (
                        select schemas.oid from pg_namespace as schemas
                        where schemas.nspname in ('warehouse', 'reporting')
                    )
            ) as relations
    ) as locks
    where locks.room < 4 * locks.relations
    union all
    select
        6 as place,
        case when encoding = 'UTF8' then 'ok' else 'problem' end as level,
        'database' as what,
        'its encoding is ' || encoding as finding,
        case when encoding <> 'UTF8' then 'create the database with encoding UTF8' end as cure
    from session_of
    union all
    select
        7 as place,
        'warning' as level,
        'role ' || role_name as what,
        'is a superuser: views and functions that a source uses may run with its rights'
            as finding,
        'create a role for the runner: schema apply --roles, docs/security.md' as cure
    from session_of
    where is_superuser
    union all
    select
        8 as place,
        case when reads_stats then 'ok' else 'warning' end as level,
        'role ' || role_name as what,
        case
            when reads_stats then 'can see the transactions of other roles (pg_read_all_stats)'
            else 'cannot see the transactions of other roles, so ingests guarantee less'
        end as finding,
        case when not reads_stats then 'grant pg_read_all_stats to ' || quote_ident(role_name) end
            as cure
    from session_of
    union all
    select
        9 as place,
        'problem' as level,
        'role ' || role_name as what,
        'may not create schemas, and ' || missing.schemas || ' do not exist' as finding,
        'grant create on database ' || quote_ident(current_database()) || ' to '
        || quote_ident(role_name) as cure
    from session_of
    inner join (
        select string_agg(names.name, ', ') as schemas
        from unnest(array['orchestrator', 'warehouse', 'reporting']) as names (name)
        where to_regnamespace(names.name) is null
    ) as missing on missing.schemas is not null
    where not creates_schemas
    union all
    select
        10 as place,
        'problem' as level,
        'schema ' || schemas.nspname as what,
        'this role may not create in it' as finding,
        'grant usage, create on schema ' || schemas.nspname || ' to ' || quote_ident(role_name)
            as cure
    from pg_namespace as schemas
    cross join session_of
    where
        schemas.nspname in ('orchestrator', 'warehouse', 'reporting')
        and not has_schema_privilege(schemas.oid, 'create')
    union all
    select
        11 as place,
        'problem' as level,
        'schema ' || schemas.nspname as what,
        count(*) || ' tables belong to other roles, and only those can alter them: '
        || min(relations.relname) || ' belongs to ' || min(owners.rolname) as finding,
        'reassign them, or connect as a member of ' || min(owners.rolname) as cure
    from pg_class as relations
    inner join pg_namespace as schemas on schemas.oid = relations.relnamespace
    inner join pg_roles as owners on owners.oid = relations.relowner
    where
        schemas.nspname in ('orchestrator', 'warehouse', 'reporting')
        and relations.relkind in ('r', 'p')
        and not pg_has_role(relations.relowner, 'usage')
    group by schemas.nspname
    union all
    select
        12 as place,
        case when abs(drift.seconds) < 60 then 'ok' else 'warning' end as level,
        'clock' as what,
        'the server''s clock is ' || abs(drift.seconds) || ' s '
        || case when drift.seconds < 0 then 'behind' else 'ahead of' end || ' this machine''s'
            as finding,
        case when abs(drift.seconds) >= 60 then 'synchronise both clocks (chrony, ntpd)' end as cure
    from (
        select round(extract(epoch from clock_timestamp() - %(now)s::timestamptz)) as seconds
    ) as drift
    union all
    select
        13 as place,
        case when oldest_age < 1000000000 then 'ok' else 'problem' end as level,
        'database' as what,
        'its oldest unfrozen transaction ID is ' || oldest_age || ' transactions old; at 2.1 '
        || 'billion the server stops writing' as finding,
        case
            when oldest_age >= 1000000000
                then 'vacuum freeze; look for old transactions and replication slots'
        end as cure
    from session_of
    union all
    select
        14 as place,
        'warning' as level,
        'transaction of process ' || activity.pid as what,
        'open for ' || date_trunc('second', now() - activity.xact_start)
        || ', so vacuum cannot remove newer dead rows: ' || coalesce(activity.usename, '?') || ', '
        || coalesce(nullif(activity.application_name, ''), 'no name') as finding,
        'end it, for example with select pg_terminate_backend(' || activity.pid || ')' as cure
    from pg_stat_activity as activity
    where
        activity.datname = current_database()
        and activity.xact_start < now() - %(long)s::interval
    union all
    select
        15 as place,
        'warning' as level,
        'prepared transaction ' || prepared.gid as what,
        'prepared on ' || to_char(prepared.prepared, 'YYYY-MM-DD HH24:MI')
        || ' and still open: it holds locks and delays ingestion' as finding,
        'commit prepared, or rollback prepared, ' || quote_literal(prepared.gid) as cure
    from pg_prepared_xacts as prepared
    where
        prepared.database = current_database()
        and prepared.prepared < now() - %(long)s::interval
    union all
    select
        16 as place,
        'warning' as level,
        'replication slot ' || slots.slot_name as what,
        'has no reader, and the server keeps '
        || pg_size_pretty(kept.bytes) || ' of WAL for it' as finding,
        'select pg_drop_replication_slot(' || quote_literal(slots.slot_name)
        || '), if it is no longer used' as cure
    from pg_replication_slots as slots
    cross join lateral (
        select
            pg_wal_lsn_diff(
                case
                    when pg_is_in_recovery() then pg_last_wal_receive_lsn()
                    else pg_current_wal_insert_lsn()
                end,
                slots.restart_lsn
            ) as bytes
    ) as kept
    where
        not slots.active and kept.bytes > 1024.0 * 1024 * 1024
    union all
    select
        17 as place,
        'warning' as level,
        'table ' || tables.relid::regclass as what,
        tables.n_dead_tup || ' dead rows and ' || tables.n_live_tup || ' live ones' as finding,
        'vacuum ' || tables.relid::regclass as cure
    from pg_stat_user_tables as tables
    where
        tables.schemaname in ('orchestrator', 'warehouse', 'reporting')
        and tables.n_dead_tup > 100000
        and tables.n_dead_tup > tables.n_live_tup
    union all
    select
        18 as place,
        'ok' as level,
        'schema ' || schemas.nspname as what,
        pg_size_pretty(sum(pg_total_relation_size(relations.oid))) || ' in '
        || count(*) || ' tables, the largest ' || (
            array_agg(relations.relname order by pg_total_relation_size(relations.oid) desc)
        )[1] || ' with ' || pg_size_pretty(max(pg_total_relation_size(relations.oid))) as finding,
        null as cure
    from pg_class as relations
    inner join pg_namespace as schemas on schemas.oid = relations.relnamespace
    where
        schemas.nspname in ('orchestrator', 'warehouse', 'reporting')
        and relations.relkind = 'r'
    group by schemas.nspname
)

select
    level,
    what,
    finding,
    cure
from findings
order by place, what
