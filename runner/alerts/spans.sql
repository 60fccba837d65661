-- runs --
-- The runs of a process after a given run. A build comes before its scripts.
select
    runs.run_id,
    runs.parent_run_id,
    runs.kind,
    runs.status,
    runs.sqlstate,
    runs.target,
    runs.rows_inserted,
    runs.rows_updated,
    runs.rows_deleted,
    coalesce(runs.script, runs.kind || coalesce(' ' || definitions.pipeline_name, '')) as name,
    runs.started_at,
    runs.finished_at
from orchestrator.runs as runs
left join orchestrator.pipeline_definitions as definitions
    on definitions.pipeline_id = runs.pipeline_id
where
    runs.host = %(host)s
    and runs.run_id > %(after)s
    and runs.finished_at is not null
order by runs.run_id
