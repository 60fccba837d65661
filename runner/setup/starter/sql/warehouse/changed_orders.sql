-- warehouse.changed_orders
-- Grain: one row per key and day, new or former (updated_at_day, order_id).
-- Rerun: whole; the same runs of the pipeline give the same rows.
-- Why:   every later script recomputes what these rows touch, and nothing else. The day that a row
--        has left matters as much as its new one: the old numbers have to go.

delete from {{ this }};

insert into {{ this }} (updated_at_day, order_id)
with touched as (
    -- The rows as they are now.
    select
        source.order_id,
        source.updated_at
    from {{ raw }}.raw_orders as source
    where
        source._run_id > {{ after.orders }}
        and source._run_id <= {{ through.orders }}
    union all
    -- The rows as they were, with the types of their columns.
    select
        former.order_id,
        former.updated_at
    from orchestrator.replaced_rows as replaced
    cross join lateral jsonb_populate_record(
        null::{{ raw }}.raw_orders, replaced.old_row
    ) as former
    where
        replaced.pipeline_id = {{ pipeline.orders }}
        and replaced.run_id > {{ after.orders }}
        and replaced.run_id <= {{ through.orders }}
)

select distinct
    (touched.updated_at::timestamptz at time zone {{ reporting_timezone }})::date as updated_at_day,
    touched.order_id::text as order_id
from touched;

analyze {{ this }};
