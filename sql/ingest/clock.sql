-- The clock of a source: how far it is settled, who holds it back, and its transaction numbers. It
-- is read twice: for `settled`, before the transaction that reads the rows; and for `horizon` and
-- `next_xid`, in that transaction. Another PostgreSQL has it as a view: on_postgres.sql.

with started as materialized (
    select clock_timestamp() as moment
),

-- Active transactions are read before prepared ones, so that none is missed that moves from one
-- list to the other. Builds do not write the source, and are left out, unless it is in one of their
-- schemas or on another server. They are known by a lock that needs the right to write the ledger.
active as materialized (
    select
        activity.pid,
        activity.application_name,
        activity.state,
        activity.xact_start
    from started
    left join pg_stat_activity as activity
        on activity.datname = current_database()
        and activity.pid <> pg_backend_pid()
        and activity.xact_start < started.moment
        and activity.backend_type not in ('autovacuum worker', 'walsender')
        and not exists (
            select
            from pg_locks as locks
            where
                locks.pid = activity.pid
                and locks.locktype = 'relation'
                and locks.relation = {{ build_mark }}
                and locks.mode = 'RowExclusiveLock'
                and locks.granted
        )
    order by activity.xact_start
    limit 1
),

-- Sessions that may be in a transaction without showing since when: track_activities is off in
-- them, or was. For a moment, that is also so while a transaction begins or ends.
untracked as materialized (
    select count(*) as sessions
    from started
    inner join pg_stat_activity as activity
        on activity.datname = current_database()
        and activity.pid <> pg_backend_pid()
        and activity.backend_type not in ('autovacuum worker', 'walsender')
        and activity.xact_start is null
        and (
            activity.state = 'disabled'
            or activity.state like 'idle in transaction%'
            or (
                activity.state <> 'idle'
                and activity.state_change < started.moment - interval '1 second'
            )
        )
),

now_here as materialized (
    select pg_snapshot_xmin(pg_current_snapshot()) as horizon
)

select
    started.moment as clock,
    -- The moment before which no open transaction can still write. A second less, as a transaction
    -- begins a little before others can see it. Nothing is settled while there is a prepared
    -- transaction that has written: when it began is not known.
    case
        when prepared.gid is not null then '-infinity'
        else least(started.moment, active.xact_start) - interval '1 second'
    end as settled,
    coalesce(prepared.prepared, active.xact_start) as held_since,
    case
        when prepared.gid is not null
            then format('prepared transaction %s of %s', prepared.gid, prepared.owner)
        when active.pid is not null
            then format(
                'server process %s, %s, %s', active.pid, active.application_name, active.state
            )
    end as held_by,
    -- Without this privilege, the start of other roles' transactions is hidden. A standby does not
    -- see the transactions of its primary.
    pg_has_role('pg_read_all_stats', 'usage')
    and current_setting('track_activities')::boolean
    and untracked.sessions = 0
    and not pg_is_in_recovery() as sees_all,
    now_here.horizon::text::numeric as horizon,
    now_here.horizon::text::numeric + age(now_here.horizon::xid) as next_xid,
    format(
        '%s:%s:%s',
        (select control.system_identifier from pg_control_system() as control),
        -- After a failover or a restore, transaction numbers may be used again.
        (select checkpoints.timeline_id from pg_control_checkpoint() as checkpoints),
        (
            select databases.oid
            from pg_database as databases
            where databases.datname = current_database()
        )
    ) as identity
from started
cross join active
cross join untracked
left join lateral (
    select
        prepared_xacts.gid,
        prepared_xacts.owner,
        prepared_xacts.prepared
    from pg_prepared_xacts as prepared_xacts
    -- Its lock on its own transaction id leads to its other locks, even after a restart.
    inner join pg_locks as itself
        on itself.transactionid = prepared_xacts.transaction
        and itself.locktype = 'transactionid'
        and itself.pid is null
    inner join pg_locks as locks
        on locks.virtualtransaction = itself.virtualtransaction
        and locks.locktype = 'relation'
        and locks.pid is null
    where
        prepared_xacts.database = current_database()
        and locks.mode not in ('AccessShareLock', 'RowShareLock')
    order by prepared_xacts.prepared
    limit 1
) as prepared on true
cross join now_here
