-- undoable --
-- A run that can be undone; when the earlier versions of its rows were pruned, if they were; and of
-- how many rows that it replaced there is no earlier version.
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

-- archived --
-- The newest archived month with rows that a run loaded or replaced.
select
    max(months.low)::text as low,
    max(months.file_name) as file_name
from orchestrator.archived_months as months
where
    months.pipeline_id = %(pipeline_id)s
    and (
        %(run_id)s::bigint <@ months.run_ids
        or exists (
            select
            from orchestrator.replaced_rows as replaced
            where
                replaced.run_id = %(run_id)s
                and replaced.pipeline_id = months.pipeline_id
                and isfinite((replaced.old_row ->> %(cursor)s)::timestamptz)
                and (replaced.old_row ->> %(cursor)s)::timestamptz < months.high
        )
    )

-- traces --
-- The runs whose rows an undo may change, and the keys of the rows that it may restore.
select
    array(
        select %(run_id)s::bigint as run_id
        union all
        select undos.run_id
        from orchestrator.runs as undos
        where
            undos.pipeline_id = %(pipeline_id)s
            and undos.kind = 'undo'
            and undos.status = 'succeeded'
            and undos.run_id > %(run_id)s
    ) as run_ids,
    array(
        select distinct replaced.key ->> %(key)s as key
        from orchestrator.replaced_rows as replaced
        where
            replaced.pipeline_id = %(pipeline_id)s
            and replaced.run_id >= %(run_id)s
    ) as keys

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
where stored._run_id = {{ undone_run_id }} and {{ within }}

-- give_back_rejects --
-- Resolve the rows that the undone run had rejected, and reopen those that it had resolved.
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
