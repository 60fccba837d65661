-- The days have every order that counts, once. An incremental build checks the days of the change
-- set.

with counted as (
    select
        order_day,
        sum(orders) as orders,
        sum(gross - refunded) as net
    from {{ warehouse }}.agg_sales_daily
    {{ incremental }} where order_day in (
    {{ incremental }}     select changed.order_day from {{ warehouse }}.changed_days as changed
    {{ incremental }} )
    group by order_day
),

stored as (
    select
        order_day,
        count(*) as orders,
        sum(amount - refunded) as net
    from {{ warehouse }}.fact_orders
    where
        status <> 'cancelled'
        {{ incremental }} and order_day in (
        {{ incremental }}     select changed.order_day from {{ warehouse }}.changed_days as changed
        {{ incremental }} )
    group by order_day
)

select
    order_day,
    counted.orders as counted_orders,
    stored.orders as stored_orders,
    counted.net as counted_net,
    stored.net as stored_net
from counted
full join stored using (order_day)
where (counted.orders, counted.net) is distinct from (stored.orders, stored.net)
