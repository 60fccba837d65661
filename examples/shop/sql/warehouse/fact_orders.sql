-- warehouse.fact_orders
-- Grain: one row per order (order_id).
-- Rerun: changed keys; replaces the orders of the change set, other rows stay.
-- Why:   each order with its day and what is left of its amount: all else counts these rows. A
--        refund that arrives before its order waits in fact_refunds, and is found here later.

delete from {{ this }} as fact
{{ incremental }} using {{ warehouse }}.changed_orders as changed
{{ incremental }} where fact.order_id = changed.order_id
;

insert into {{ this }} (order_id, order_day, customer_id, status, amount, refunded)
with refunds as (
    select
        order_id,
        sum(amount) as refunded
    from {{ warehouse }}.fact_refunds
    {{ incremental }} where order_id in (
    {{ incremental }}     select changed.order_id from {{ warehouse }}.changed_orders as changed
    {{ incremental }} )
    group by order_id
)

select
    order_id,
    (orders.ordered_at at time zone {{ reporting_timezone }})::date as order_day,
    orders.customer_id,
    orders.status,
    orders.amount,
    coalesce(refunds.refunded, 0) as refunded
from {{ raw }}.raw_orders as orders
left join refunds using (order_id)
{{ incremental }} where order_id in (
{{ incremental }}     select changed.order_id from {{ warehouse }}.changed_orders as changed
{{ incremental }} )
order by order_id;
