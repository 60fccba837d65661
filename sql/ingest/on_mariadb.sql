-- What a MariaDB needs to be a source: its clock, as far as it can be told there. `pipelines
-- source-sql mariadb` fills in the names. Run it there as a user with the rights PROCESS and CREATE
-- VIEW: the view shows with those rights what it shows, and who reads it needs neither. All times
-- are in UTC.
--
-- A row's current_timestamp is when its statement began. So what may still be written is as old as
-- the oldest running statement or the oldest open transaction, less two seconds, since InnoDB keeps
-- whole ones. What this does not see: a statement that waited for a lock on the table's definition,
-- or for a global one, has a cursor older than the start of its transaction, and once it has ended
-- only the transaction is known. Such a row comes late, and is found by the lookback.

create or replace sql security definer view {{ database }}.milepost_clock as
select
    concat(date_format(utc_timestamp(6), '%Y-%m-%d %H:%i:%s.%f'), '+00') as clock,
    -- A prepared transaction that nobody holds may be older than InnoDB says.
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
    -- Not all: see above. And rows that a replica or a cluster takes over bear the time of where
    -- they were written.
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
    -- Statements are read before transactions: nobody slips from the one list to the other.
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
            -- The hour that comes twice in autumn is taken for the first.
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
