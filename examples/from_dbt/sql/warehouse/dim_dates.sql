-- warehouse.dim_dates
-- Grain: one row per day (date_day).
-- Rerun: whole; a few hundred rows.
-- Why:   a day without events is a day too.

insert into {{ this }} (date_day, week_start, month_start, iso_day_of_week, is_weekend)
select
    days.day::date as date_day,
    date_trunc('week', days.day)::date as week_start,
    date_trunc('month', days.day)::date as month_start,
    extract(isodow from days.day)::integer as iso_day_of_week,
    extract(isodow from days.day) >= 6 as is_weekend
from (
    select min(event_date)::timestamp as first_day, max(event_date)::timestamp as last_day
    from {{ warehouse }}.agg_daily_values
) as span
cross join lateral generate_series(span.first_day, span.last_day, interval '1 day') as days (day);
