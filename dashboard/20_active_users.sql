-- Active users
-- Question: How many come, and how many come back?
-- Meaning:  Distinct users with an event that counts: on the day (daily), in the 7 days that end
--           with it (weekly) and in the 28 days (monthly). Stickiness is the mean of daily users
--           over these 28 days / monthly users. For the first 28 days the monthly window is still
--           filling, and the curve rises with it. Open dots: the last day is not over. The band is
--           what is usual for the weekday: each day is divided by the mean of the 28 days before
--           it, and the middle of the band is the median of that over the same weekday in the eight
--           weeks before. It reaches about three standard deviations to both sides (4.45 times the
--           median distance from it; at least a tenth, and 3.5 times the square root of the users).
--           A ring marks a day outside it.
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

-- A day by the mean of the 28 before it: growth is no alarm.
with levels as (
    select
        slice,
        slice_value,
        day,
        case when count(*) over month = 28 then nullif(avg(dau) over month, 0) end as level,
        case when count(*) over month = 28 then dau / nullif(avg(dau) over month, 0) end as ratio
    from reporting.active_users_daily
    window month as (
        partition by slice, slice_value order by day rows between 28 preceding and 1 preceding
    )
),

pairs as (
    select
        levels.slice,
        levels.slice_value,
        levels.day,
        levels.level,
        earlier.ratio
    from levels
    inner join levels as earlier
        on
            earlier.slice = levels.slice
            and earlier.slice_value = levels.slice_value
            and earlier.day between levels.day - 56 and levels.day - 7
            and (levels.day - earlier.day) % 7 = 0
    where earlier.ratio is not null
),

medians as (
    select
        slice,
        slice_value,
        day,
        percentile_cont(0.5) within group (order by ratio) as middle
    from pairs
    group by slice, slice_value, day
    having count(*) >= 4
),

usual as (
    select
        slice,
        slice_value,
        day,
        medians.middle * pairs.level as expected,
        greatest(
            4.45 * pairs.level
            * percentile_cont(0.5) within group (order by abs(pairs.ratio - medians.middle)),
            3.5 * sqrt(medians.middle * pairs.level),
            0.1 * medians.middle * pairs.level
        ) as reach
    from medians
    inner join pairs using (slice, slice_value, day)
    group by slice, slice_value, day, medians.middle, pairs.level
)

select
    activity.slice,
    activity.slice_value,
    activity.day,
    activity.dau,
    activity.wau,
    activity.mau,
    activity.stickiness,
    floor(usual.expected - least(usual.reach, usual.expected)) as usual_low,
    ceil(usual.expected + usual.reach) as usual_high,
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
