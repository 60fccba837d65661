-- warehouse.changed_refunds
-- Grain: one row per refund and order, new or former (refund_id, order_id).
-- Rerun: whole; the same runs of the pipeline give the same rows.
-- Why:   a refund changes its order too, also the one that it was taken from by mistake.

delete from {{ this }};

insert into {{ this }} (refund_id, order_id)
select
    refund_id,
    order_id
from {{ raw }}.raw_refunds
where
    _run_id > {{ after.refunds }}
    and _run_id <= {{ through.refunds }}
union
select
    former.refund_id,
    former.order_id
from orchestrator.replaced_rows as replaced
cross join lateral jsonb_populate_record(
    null::{{ raw }}.raw_refunds, replaced.old_row
) as former
where
    replaced.pipeline_id = {{ pipeline.refunds }}
    and replaced.run_id > {{ after.refunds }}
    and replaced.run_id <= {{ through.refunds }};

analyze {{ this }};
