-- warehouse.changed_orders
-- Grain: one row per order and place, new or former (order_id, order_day, customer_id).
-- Rerun: whole; the same runs of the pipelines give the same rows.
-- Why:   an order that moves to another day or customer leaves numbers behind that have to go.

delete from {{ this }};

insert into {{ this }} (order_id, order_day, customer_id)
with touched as (
    -- Orders as they are now, ...
    select
        order_id,
        ordered_at,
        customer_id
    from {{ raw }}.raw_orders
    where
        _run_id > {{ after.orders }}
        and _run_id <= {{ through.orders }}
    union all
    -- ... as they were before, ...
    select
        former.order_id,
        former.ordered_at,
        former.customer_id
    from orchestrator.replaced_rows as replaced
    cross join lateral jsonb_populate_record(
        null::{{ raw }}.raw_orders, replaced.old_row
    ) as former
    where
        replaced.pipeline_id = {{ pipeline.orders }}
        and replaced.run_id > {{ after.orders }}
        and replaced.run_id <= {{ through.orders }}
    union all
    -- ... and those of which something was refunded.
    select
        order_id,
        orders.ordered_at,
        orders.customer_id
    from {{ warehouse }}.changed_refunds
    inner join {{ raw }}.raw_orders as orders using (order_id)
)

select distinct
    order_id,
    (ordered_at at time zone {{ reporting_timezone }})::date as order_day,
    customer_id
from touched;

analyze {{ this }};
