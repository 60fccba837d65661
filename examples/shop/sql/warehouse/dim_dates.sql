-- warehouse.dim_dates
-- Grain: one row per day (calendar_date).
-- Rerun: whole; a few hundred rows.
-- Why:   a day without orders is a day too.

insert into {{ this }} (calendar_date, month)
select
    days.day::date as calendar_date,
    date_trunc('month', days.day)::date as month
from (
    select
        min(order_day)::timestamp as first_day,
        max(order_day)::timestamp as last_day
    from {{ warehouse }}.fact_orders
) as span
cross join lateral generate_series(first_day, last_day, interval '1 day') as days (day);
