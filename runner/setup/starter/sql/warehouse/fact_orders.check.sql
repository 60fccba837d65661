-- Every row of the replica is in the fact exactly once, under its current day, and the fact holds
-- nothing else. An incremental build checks the change set, a full build every row.

with expected as (
    select
        (source.updated_at::timestamptz at time zone {{ reporting_timezone }})::date
            as updated_at_day,
        source.order_id::text as order_id
    from {{ raw }}.raw_orders as source
    {{ incremental }} where source._run_id > {{ after.orders }}
    {{ incremental }}     and source._run_id <= {{ through.orders }}
),

placed as (
    select
        fact.updated_at_day,
        fact.order_id
    from {{ warehouse }}.fact_orders as fact
    {{ incremental }} inner join {{ warehouse }}.changed_orders as changed
    {{ incremental }}     on changed.updated_at_day = fact.updated_at_day
    {{ incremental }}     and changed.order_id = fact.order_id
)

select
    updated_at_day,
    order_id,
    expected.order_id is not null as is_expected,
    placed.order_id is not null as is_found
from expected
full join placed using (updated_at_day, order_id)
where
    expected.order_id is null
    or placed.order_id is null
