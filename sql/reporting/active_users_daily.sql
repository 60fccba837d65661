-- reporting.active_users_daily
-- Grain: one row per day and slice value (day, slice, slice_value).
-- Rerun: changed keys; in each changed slice value, the days from the first change on.
-- Why:   how many users come, and how many of them come back. The distinct users of a trailing
--        window are a running sum: those who enter it less those who leave it, so no window is
--        counted again.

delete from {{ this }} as report
{{ incremental }} using {{ warehouse }}.changed_slices as changed
{{ incremental }} where report.slice = changed.slice
{{ incremental }}     and report.slice_value = changed.slice_value
{{ incremental }}     and day >= since
;

insert into {{ this }} (
    day, slice, slice_value, dau, wau, mau, stickiness, is_window_full, is_complete
)
with activity as (
    select
        slice, slice_value,
        period_start as day,
        active_users, trailing_7_day_change, trailing_28_day_change
    from {{ warehouse }}.agg_period_activity
    {{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
    where
        grain = 'day'
        and period_start <= (select max(calendar_date) from {{ warehouse }}.dim_dates)
),

slices as (
    select
        slice, slice_value,
        min(day) as first_day
    from activity
    group by slice, slice_value
),

-- With a row of zeros for each day, so that days without an event appear too.
days as (
    select
        day, slice, slice_value,
        sum(active_users) as dau,
        sum(sum(trailing_7_day_change)) over to_day as wau,
        sum(sum(trailing_28_day_change)) over to_day as mau,
        sum(sum(active_users)) over (to_day rows between 27 preceding and current row) as dau_28d,
        day >= min(day) over to_day + 27 as is_window_full
    from (
        select slice, slice_value, day, active_users, trailing_7_day_change, trailing_28_day_change
        from activity
        union all
        select
            slice, slice_value,
            calendar_date as day,
            0 as active_users,
            0 as trailing_7_day_change,
            0 as trailing_28_day_change
        from slices
        inner join {{ warehouse }}.dim_dates on calendar_date >= first_day
    ) as entries
    group by day, slice, slice_value
    window to_day as (partition by slice, slice_value order by day)
)

select
    day, slice, slice_value, dau, wau, mau,
    case when is_window_full then trim_scale(round(dau_28d / (28 * nullif(mau, 0)), 6)) end
        as stickiness,
    is_window_full,
    day < last_day as is_complete
from days
cross join {{ warehouse }}.last_day
{{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
{{ incremental }} where day >= since
;
