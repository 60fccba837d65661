-- remove --
-- Delete a pipeline, with everything that is recorded of it.
with removed as (
    select runs.run_id
    from orchestrator.runs as runs
    where runs.pipeline_id = %(pipeline_id)s
),

logs as (
    delete from orchestrator.logs as logs
    using removed
    where logs.run_id = removed.run_id
),

pipeline_logs as (
    delete from orchestrator.logs as logs
    where logs.pipeline_id = %(pipeline_id)s and logs.run_id is null
),

earlier_versions as (
    delete from orchestrator.replaced_rows as kept
    using removed
    where kept.run_id = removed.run_id
),

rejects as (
    delete from orchestrator.rejected_rows as rejected
    where rejected.pipeline_id = %(pipeline_id)s
),

inputs as (
    delete from orchestrator.build_inputs as inputs
    where inputs.pipeline_id = %(pipeline_id)s
),

archived as (
    delete from orchestrator.archived_months as months
    where months.pipeline_id = %(pipeline_id)s
),

runs as (
    delete from orchestrator.runs as runs
    where runs.pipeline_id = %(pipeline_id)s
)

delete from orchestrator.pipeline_definitions as definitions
where definitions.pipeline_id = %(pipeline_id)s

-- size --
-- How much is recorded of a pipeline.
select
    count(*) as runs,
    (
        select count(*)
        from orchestrator.replaced_rows as kept
        inner join orchestrator.runs as owners on owners.run_id = kept.run_id
        where owners.pipeline_id = %(pipeline_id)s
    ) as kept_rows,
    (
        select
            coalesce(
                jsonb_agg(
                    jsonb_build_object(
                        'file', months.file_name, 'rows', months.rows, 'sha256', months.sha256
                    )
                    order by months.low
                ),
                '[]'
            )
        from orchestrator.archived_months as months
        where months.pipeline_id = %(pipeline_id)s
    ) as archived
from orchestrator.runs as runs
where runs.pipeline_id = %(pipeline_id)s
