-- archived --
-- For each pipeline with archived months: the first and the last of them, their rows, and the
-- months that its replica still has.
select
    pipelines.pipeline_name as pipeline,
    to_char(min(months.low) at time zone 'UTC', 'YYYY-MM') as archived_from,
    to_char(max(months.low) at time zone 'UTC', 'YYYY-MM') as archived_to,
    sum(months.rows)::bigint as archived_rows,
    to_char(max(months.high) at time zone 'UTC', 'YYYY-MM') as proven_from,
    to_char(max(loaded.high) at time zone 'UTC', 'YYYY-MM') as proven_to
from orchestrator.archived_months as months
inner join orchestrator.pipeline_definitions as pipelines
    on pipelines.pipeline_id = months.pipeline_id
cross join lateral (
    select max(runs.high) as high
    from orchestrator.runs as runs
    where
        runs.pipeline_id = months.pipeline_id
        and runs.kind = 'window'
        and runs.status in ('succeeded', 'rolled_back')
) as loaded
group by pipelines.pipeline_id, pipelines.pipeline_name
order by pipelines.pipeline_id
