-- reporting.sales_by_country
-- Grain: one row per month and country (month, country).
-- Rerun: whole; a few rows per month.
-- Why:   where to spend on marketing.

insert into {{ this }} (month, country, orders, gross, refunded, net, share)
with months as (
    select
        date_trunc('month', order_day::timestamp)::date as month,
        country,
        sum(orders) as orders,
        sum(gross) as gross,
        sum(refunded) as refunded,
        sum(gross - refunded) as net
    from {{ warehouse }}.agg_sales_daily
    group by date_trunc('month', order_day::timestamp), country
)

select
    month,
    country,
    orders,
    gross,
    refunded,
    net,
    round(net / nullif(sum(net) over (partition by month), 0), 6) as share
from months;
