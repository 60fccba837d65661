-- holders --
-- Who uses some tables, the longest transaction first.
select
    activity.pid,
    coalesce(nullif(activity.application_name, ''), 'a client') as application_name,
    coalesce(activity.state, 'of unknown state') as state,
    coalesce(to_char(activity.xact_start, 'YYYY-MM-DD HH24:MI:SS'), 'an unknown time') as since
from pg_locks as locks
inner join pg_stat_activity as activity on activity.pid = locks.pid
where
    locks.relation = any(%(tables)s::regclass[])
    and locks.granted
    and locks.pid <> pg_backend_pid()
group by
    activity.pid,
    activity.application_name,
    activity.state,
    activity.xact_start
order by activity.xact_start

-- pipelines --
-- All pipelines, enabled or not.
select
    pipeline_id,
    pipeline_name as name
from orchestrator.pipeline_definitions
order by pipeline_id

-- targets --
-- The targets that were ever built.
select distinct built.target
from orchestrator.built_scripts as built
order by built.target
