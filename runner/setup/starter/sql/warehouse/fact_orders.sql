-- warehouse.fact_orders
-- Grain: one row per row of the source (updated_at_day, order_id).
--        The day comes first, so that the rows of a day lie together.
-- Rerun: changed keys; replaces the rows of the change set, other rows stay.
-- Why:   the rows to count, with the day on which each counts.

delete from {{ this }} as fact
{{ incremental }} using {{ warehouse }}.changed_orders as changed
{{ incremental }} where fact.updated_at_day = changed.updated_at_day
{{ incremental }}     and fact.order_id = changed.order_id
;

-- _run_id of a changed row is the run that changed it.
insert into {{ this }} (
    updated_at_day,
    order_id,
    updated_at
)
select
    (source.updated_at::timestamptz at time zone {{ reporting_timezone }})::date as updated_at_day,
    source.order_id::text as order_id,
    source.updated_at::timestamptz as updated_at
from {{ raw }}.raw_orders as source
{{ incremental }} where source._run_id > {{ after.orders }}
{{ incremental }}     and source._run_id <= {{ through.orders }}
order by updated_at_day, order_id;
