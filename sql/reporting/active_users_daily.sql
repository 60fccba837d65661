-- reporting.active_users_daily
-- Grain: one row per day and slice value (day, slice, slice_value).
-- Rerun: changed keys; of the slice values that a change touches, the days since then.
-- Why:   how many users come, and how many of them come back. Distinct users of a trailing window
--        are the running sum of who enters it less who leaves it, so no window is counted again.

delete from {{ this }} as report
{{ incremental }} using {{ warehouse }}.changed_slices as changed
{{ incremental }} where report.slice = changed.slice
{{ incremental }}     and report.slice_value = changed.slice_value
{{ incremental }}     and day >= since
;

insert into {{ this }} (
    day, slice, slice_value, dau, wau, mau, stickiness, is_window_full
)
with activity as (
    select
        slice, slice_value,
        period_start as day,
        active_users, trailing_7_day_change, trailing_28_day_change
    from {{ warehouse }}.agg_period_activity
    {{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
    where grain = 'day'
),

slices as (
    select
        slice, slice_value,
        min(day) as first_day
    from activity
    group by slice, slice_value
),

days as (
    select
        dates.calendar_date as day,
        slices.slice, slices.slice_value,
        coalesce(activity.active_users, 0) as dau,
        sum(activity.trailing_7_day_change) over to_day as wau,
        sum(activity.trailing_28_day_change) over to_day as mau,
        dates.calendar_date >= slices.first_day + 27 as is_window_full
    from slices
    inner join {{ warehouse }}.dim_dates as dates on dates.calendar_date >= slices.first_day
    left join activity
        on
            activity.slice = slices.slice
            and activity.slice_value = slices.slice_value
            and activity.day = dates.calendar_date
    window to_day as (
        partition by slices.slice, slices.slice_value
        order by dates.calendar_date
    )
)

select
    day, slice, slice_value, dau, wau, mau,
    round(dau::numeric / nullif(mau, 0), 6) as stickiness,
    is_window_full
from days
{{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
{{ incremental }} where day >= since
;
