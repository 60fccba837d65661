-- reporting.sales_daily
-- Grain: one row per day (day).
-- Rerun: whole; a few hundred rows.
-- Why:   how we sell, and whether it gets better. A refund lowers the day of its order, so that the
--        figures of a day end up as what that day was worth; the build keeps what it said before.

insert into {{ this }} (day, orders, customers, gross, refunded, net, net_7_days)
with days as (
    select
        dates.calendar_date as day,
        coalesce(sum(sales.orders), 0) as orders,
        coalesce(sum(sales.customers), 0) as customers,
        coalesce(sum(sales.gross), 0) as gross,
        coalesce(sum(sales.refunded), 0) as refunded
    from {{ warehouse }}.dim_dates as dates
    left join {{ warehouse }}.agg_sales_daily as sales on sales.order_day = dates.calendar_date
    group by dates.calendar_date
)

select
    day,
    orders,
    customers,
    gross,
    refunded,
    gross - refunded as net,
    sum(gross - refunded) over (
        order by day range interval '6 days' preceding
    ) as net_7_days
from days;
