-- warehouse.agg_sales_daily
-- Grain: one row per day and country (order_day, country).
-- Rerun: changed keys; recomputes the days of the change set, other days stay.
-- Why:   what the reports about sales add up.

delete from {{ this }} as sales
{{ incremental }} using {{ warehouse }}.changed_days as changed
{{ incremental }} where sales.order_day = changed.order_day
;

insert into {{ this }} (order_day, country, orders, customers, gross, refunded)
select
    orders.order_day,
    coalesce(customers.country, 'unknown') as country,
    count(*) as orders,
    count(distinct orders.customer_id) as customers,
    sum(orders.amount) as gross,
    sum(orders.refunded) as refunded
from {{ warehouse }}.fact_orders as orders
left join {{ warehouse }}.dim_customers as customers using (customer_id)
where
    orders.status <> 'cancelled'
    {{ incremental }} and orders.order_day in (
    {{ incremental }}     select changed.order_day from {{ warehouse }}.changed_days as changed
    {{ incremental }} )
group by orders.order_day, coalesce(customers.country, 'unknown')
order by orders.order_day, country;
