-- strongest_lock --
-- The strongest lock that this session holds on a table.
select lower(regexp_replace(locks.mode, '([a-z])([A-Z])', '\1 \2', 'g')) as mode
from pg_locks as locks
where
    locks.pid = pg_backend_pid()
    and locks.granted
    and locks.relation = to_regclass(%(table)s)
order by
    array_position(
        array[
            'AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock',
            'ShareUpdateExclusiveLock', 'RowExclusiveLock', 'RowShareLock', 'AccessShareLock'
        ],
        locks.mode
    )
limit 1
