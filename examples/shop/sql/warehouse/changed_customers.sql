-- warehouse.changed_customers
-- Grain: one row per customer (customer_id).
-- Rerun: whole; the same runs of the pipeline give the same rows.
-- Why:   later scripts recompute what these customers touch, and nothing else.

delete from {{ this }};

insert into {{ this }} (customer_id)
select customer_id
from {{ raw }}.raw_customers
where
    _run_id > {{ after.customers }}
    and _run_id <= {{ through.customers }}
union
-- Customers who were deleted are only here.
select former.customer_id
from orchestrator.replaced_rows as replaced
cross join lateral jsonb_populate_record(
    null::{{ raw }}.raw_customers, replaced.old_row
) as former
where
    replaced.pipeline_id = {{ pipeline.customers }}
    and replaced.run_id > {{ after.customers }}
    and replaced.run_id <= {{ through.customers }};

analyze {{ this }};
