-- Active users
-- Question: How many come, and how many come back?
-- Meaning:  Different users with an event that counts: on the day (daily), in the 7 days ending
--           with it (weekly) and in the 28 days (monthly). Stickiness is the mean of daily users
--           over these 28 days / monthly users. Until 28 days lie behind, the monthly window is
--           still filling, and the curve rises with it. Open dots: the last day still runs. The
--           band is what is usual for the weekday: the median of the same weekday in the eight
--           weeks before, and about three standard deviations on both sides (4.45 times the median
--           distance from it), at least a tenth; a ring marks a day outside it.
-- Base:     base
-- Adds:     no
-- Width:    half
-- Columns:
--     day: Day
--     mau: Monthly, number
--     wau: Weekly, number
--     dau: Daily, number
--     stickiness: Stickiness, percent
--     usual_low: Usual from, number
--     usual_high: Usual to, number
--     window: 28-day window, text

with medians as (
    select
        activity.slice,
        activity.slice_value,
        activity.day,
        percentile_cont(0.5) within group (order by earlier.dau) as middle
    from reporting.active_users_daily as activity
    inner join reporting.active_users_daily as earlier
        on
            earlier.slice = activity.slice
            and earlier.slice_value = activity.slice_value
            and earlier.day between activity.day - 56 and activity.day - 7
            and (activity.day - earlier.day) % 7 = 0
    group by activity.slice, activity.slice_value, activity.day
    having count(*) >= 4
),

usual as (
    select
        medians.slice,
        medians.slice_value,
        medians.day,
        medians.middle,
        greatest(
            4.45 * percentile_cont(0.5) within group (order by abs(earlier.dau - medians.middle)),
            0.1 * medians.middle
        ) as reach
    from medians
    inner join reporting.active_users_daily as earlier
        on
            earlier.slice = medians.slice
            and earlier.slice_value = medians.slice_value
            and earlier.day between medians.day - 56 and medians.day - 7
            and (medians.day - earlier.day) % 7 = 0
    group by medians.slice, medians.slice_value, medians.day, medians.middle
)

select
    activity.slice,
    activity.slice_value,
    activity.day,
    activity.dau,
    activity.wau,
    activity.mau,
    activity.stickiness,
    floor(usual.middle - least(usual.reach, usual.middle)) as usual_low,
    ceil(usual.middle + usual.reach) as usual_high,
    case when activity.is_window_full then 'full' else 'filling' end as "window",
    -- Users of a week are of those who were there before it, or all.
    coalesce(
        nullif(
            sum(kpi.new_users) over (
                partition by activity.slice, activity.slice_value
                order by activity.day
                rows between unbounded preceding and 7 preceding
            ),
            0
        ),
        activity.wau
    ) as base,
    activity.day < max(activity.day) over () as is_complete
from reporting.active_users_daily as activity
inner join reporting.kpi_daily as kpi using (slice, slice_value, day)
left join usual using (slice, slice_value, day)
order by activity.slice, activity.slice_value, activity.day;
