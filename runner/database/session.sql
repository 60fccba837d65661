-- lock_holders --
-- Who holds an advisory lock in this database.
select
    activity.pid,
    activity.application_name,
    to_char(activity.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ') as since
from pg_locks as locks
inner join pg_stat_activity as activity on activity.pid = locks.pid
where
    locks.locktype = 'advisory'
    and locks.classid = %(kind)s
    and locks.objid = %(number)s
    and locks.objsubid = 2
    and locks.granted
    and activity.datname = current_database()

-- changes --
-- What the open transaction has done to a table, in all of its partitions.
select
    coalesce(sum(pg_stat_get_xact_tuples_inserted(tables.relation)), 0)::bigint as inserted,
    coalesce(sum(pg_stat_get_xact_tuples_updated(tables.relation)), 0)::bigint as updated,
    coalesce(sum(pg_stat_get_xact_tuples_deleted(tables.relation)), 0)::bigint as deleted
from (
    select to_regclass(%(table)s) as relation
    union all
    select children.inhrelid as relation
    from pg_inherits as children
    where children.inhparent = to_regclass(%(table)s)
) as tables
