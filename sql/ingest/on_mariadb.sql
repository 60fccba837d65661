-- What a MariaDB needs to be a source: a view of its clock, as far as it can be known there.
-- `pipelines source-sql mariadb` fills in the names. Run it there as a user with the privileges
-- PROCESS and CREATE VIEW: the view runs with them, and its readers need neither. All times are in
-- UTC.
--
-- A row's current_timestamp is the start of its statement. So rows that are still to come are as
-- old as the oldest running statement or the oldest open transaction, less two seconds, as InnoDB
-- keeps whole seconds. One case is not seen: a statement that waited for a metadata lock, or for a
-- global one, has a cursor older than the start of its transaction, and once it has ended only the
-- transaction is known. Such a row comes late, and is found by the lookback.

create or replace sql security definer view {{ database }}.milepost_clock as
select
    concat(date_format(utc_timestamp(6), '%Y-%m-%d %H:%i:%s.%f'), '+00') as clock,
    -- A prepared transaction without a connection may be older than InnoDB says.
    case
        when oldest.is_prepared then '-infinity'
        else
            concat(
                date_format(
                    least(utc_timestamp(6), coalesce(oldest.started, utc_timestamp(6)))
                    - interval 2 second,
                    '%Y-%m-%d %H:%i:%s'
                ),
                '+00'
            )
    end as settled,
    concat(date_format(oldest.started, '%Y-%m-%d %H:%i:%s'), '+00') as held_since,
    oldest.who as held_by,
    -- Not all: see above. Also, rows that are replicated to this server have the time of the server
    -- on which they were written.
    false as sees_all,
    cast(null as decimal(20)) as horizon,
    cast(null as decimal(20)) as next_xid,
    (
        select group_concat(variables.variable_value order by variables.variable_name separator ':')
        from information_schema.global_variables as variables
        where variables.variable_name in ('hostname', 'port')
    ) as identity
from (select 1 as one) as here
left join (
    -- Statements are read before transactions, so that none is missed between the two lists.
    select
        utc_timestamp(6) - interval threads.time_ms * 1000 microsecond as started,
        false as is_prepared,
        concat('connection ', threads.id, ', ', threads.user, ', ', threads.command) as who
    from information_schema.processlist as threads
    where
        threads.id <> connection_id()
        and threads.command not in ('Sleep', 'Daemon', 'Binlog Dump')
    union all
    select
        transactions.started
        - interval (
            -- In autumn, a time in the hour that occurs twice is taken for the first.
            convert_tz(transactions.started - interval 1 hour, '+00:00', 'SYSTEM')
            = transactions.local_started
        ) hour as started,
        transactions.is_prepared,
        transactions.who
    from (
        select
            convert_tz(open.trx_started, 'SYSTEM', '+00:00') as started,
            open.trx_started as local_started,
            open.trx_mysql_thread_id = 0 and open.trx_rows_modified > 0 as is_prepared,
            case open.trx_mysql_thread_id
                when 0 then concat('prepared transaction ', open.trx_id)
                else concat('connection ', open.trx_mysql_thread_id, ', in a transaction')
            end as who
        from information_schema.innodb_trx as open
    ) as transactions
    order by is_prepared desc, started
    limit 1
) as oldest on true;

grant select on {{ database }}.milepost_clock to {{ role }};
grant select on {{ source }} to {{ role }};
