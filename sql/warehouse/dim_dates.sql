-- warehouse.dim_dates
-- Grain: one row per date (calendar_date).
-- Rerun: whole.
-- Why:   the days of every dense report. They end on the last day of the data, not today.

insert into {{ this }} (
    calendar_date, week_start, month_start, quarter_start, iso_year, iso_week, weekday, is_weekend
)
select
    midnight::date as calendar_date,
    date_trunc('week', midnight)::date as week_start,
    date_trunc('month', midnight)::date as month_start,
    date_trunc('quarter', midnight)::date as quarter_start,
    extract(isoyear from midnight) as iso_year,
    extract(week from midnight) as iso_week,
    extract(isodow from midnight) as weekday,
    extract(isodow from midnight) in (6, 7) as is_weekend
from (
    select
        min(event_date)::timestamp as first_day,
        max(last_day)::timestamp as last_day
    from {{ warehouse }}.agg_engagement_daily
    cross join {{ warehouse }}.last_day
    where slice = 'all'
) as data
cross join lateral generate_series(first_day, data.last_day, interval '1 day') as days (midnight);
