-- Power curve
-- Question: On how many days of a month do users come?
-- Meaning:  Users by the number of their active days in the last full month; dashed, the month
--           before. If the curve rises again to the right, many users have made a habit of coming.
-- Empty:    This needs a whole month, and none is over yet.
-- Width:    half
-- Base:     base
-- Columns:
--     active_days: Active days, number
--     users: Users, number
--     users_before: The month before, number

with newest as (
    select max(month) as month
    from reporting.active_days_monthly
    where is_complete
)

select
    now.slice,
    now.slice_value,
    days.active_days,
    sum(activity.users) filter (where activity.month = newest.month) as users,
    sum(activity.users) filter (where activity.month < newest.month) as users_before,
    -- Both curves stand on the fewer users of the two months.
    least(max(now.active_users), nullif(max(before.active_users), 0)) as base,
    to_char(newest.month, 'Mon YYYY') || '; dashed, the month before' as as_of
from newest
inner join reporting.growth_accounting as now
    on now.grain = 'month' and now.period_start = newest.month and now.active_users > 0
left join reporting.growth_accounting as before
    on
        before.grain = 'month'
        and before.period_start = newest.month - interval '1 month'
        and before.slice = now.slice
        and before.slice_value = now.slice_value
cross join generate_series(1, 31) as days (active_days)
left join reporting.active_days_monthly as activity
    on
        activity.slice = now.slice
        and activity.slice_value = now.slice_value
        and activity.active_days = days.active_days
        and activity.month in (newest.month, newest.month - interval '1 month')
where days.active_days <= extract(day from newest.month + interval '1 month' - interval '1 day')
group by now.slice, now.slice_value, days.active_days, newest.month
order by now.slice, now.slice_value, days.active_days;
