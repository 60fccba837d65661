-- undoable --
-- A run that can be undone; when what that takes was pruned, if it was; and how many of the rows
-- that it replaced are no longer known.
select
    runs.low::text as low,
    runs.high::text as high,
    (
        select to_char(pruned.pruned_at, 'YYYY-MM-DD')
        from orchestrator.pruned_runs as pruned
        where
            pruned.pipeline_id = runs.pipeline_id
            and pruned.through_run_id >= runs.run_id
    ) as pruned_at,
    runs.rows_updated + runs.rows_deleted - (
        select count(*)
        from orchestrator.replaced_rows as replaced
        where
            replaced.pipeline_id = runs.pipeline_id
            and replaced.run_id = runs.run_id
    ) as lost
from orchestrator.runs as runs
where
    runs.run_id = %(run_id)s
    and runs.pipeline_id = %(pipeline_id)s
    and runs.kind in ('window', 'sweep', 'backfill', 'reconcile')
    and runs.status = 'succeeded'

-- undone --
-- Whether a run was undone.
select undos.run_id
from orchestrator.runs as undos
where
    undos.parent_run_id = %(run_id)s
    and undos.pipeline_id = %(pipeline_id)s
    and undos.kind = 'undo'
    and undos.status = 'succeeded'

-- delete_run --
-- Undo a run of a pipeline without a key, which can only have added rows.
delete from {{ target }} as stored
where stored._run_id = {{ undone_run_id }}

-- give_back_rejects --
-- Rows that an undone run had set aside no longer wait; those that it had settled wait again.
update orchestrator.rejected_rows as rejected
set
    resolved_run_id = case
        when rejected.run_id = {{ undone_run_id }} then {{ run_id }}
    end
where
    rejected.pipeline_id = {{ pipeline_id }}
    and (
        (rejected.run_id = {{ undone_run_id }} and rejected.resolved_run_id is null)
        or rejected.resolved_run_id = {{ undone_run_id }}
    )
