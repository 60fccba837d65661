-- reporting.active_users_daily
-- Grain: one row per day and slice value (day, slice, slice_value).
-- Rerun: whole; as many rows as days.
-- Why:   how many users come, and how many of them come back. Distinct users of a trailing window
--        are the running sum of who enters it less who leaves it, so no window is counted again.

insert into {{ this }} (
    day,
    slice,
    slice_value,
    dau,
    wau,
    mau,
    stickiness,
    is_window_full
)
with days as (
    select
        dates.calendar_date as day,
        coalesce(activity.active_users, 0) as dau,
        sum(activity.trailing_7_day_change) over to_day as wau,
        sum(activity.trailing_28_day_change) over to_day as mau,
        dates.calendar_date >= min(dates.calendar_date) over () + 27 as is_window_full
    from {{ warehouse }}.dim_dates as dates
    left join {{ warehouse }}.agg_period_activity as activity
        on activity.grain = 'day' and activity.period_start = dates.calendar_date
    window to_day as (order by dates.calendar_date)
)

select
    days.day,
    'all' as slice,
    'all' as slice_value,
    days.dau,
    days.wau,
    days.mau,
    round(days.dau::numeric / nullif(days.mau, 0), 6) as stickiness,
    days.is_window_full
from days;
