-- warehouse.agg_customer_months
-- Grain: one row per customer and month (customer_id, month).
-- Rerun: changed keys; recomputes the customers of changed orders, other customers stay.
-- Why:   a late order can be the first one of its customer, and then it moves the whole cohort: so
--        a customer is recomputed in full.

delete from {{ this }} as months
{{ incremental }} using {{ warehouse }}.changed_orders as changed
{{ incremental }} where months.customer_id = changed.customer_id
;

insert into {{ this }} (customer_id, month, cohort_month, orders, net)
select
    customer_id,
    date_trunc('month', order_day::timestamp)::date as month,
    min(date_trunc('month', min(order_day)::timestamp)) over (partition by customer_id)::date
        as cohort_month,
    count(*) as orders,
    sum(amount - refunded) as net
from {{ warehouse }}.fact_orders
where
    status <> 'cancelled'
    {{ incremental }} and customer_id in (
    {{ incremental }}     select changed.customer_id from {{ warehouse }}.changed_orders as changed
    {{ incremental }} )
group by customer_id, date_trunc('month', order_day::timestamp)
order by customer_id, month;
