-- The last full day, if its users lie outside what is usual for its weekday. A day is measured by
-- the mean of the 28 before it, so that growth is no alarm: usual is the median of that over the
-- same weekday in the eight weeks before, and on both sides 4.45 times the median distance from it
-- (about three standard deviations), at least a tenth, and at least 3.5 times the root of the
-- users, by which chance alone moves them. Four such days, and twenty users, say what is usual.
-- Events that did not come look like this, and so does a feast. The dashboard draws it.
-- Level: warn

with levels as (
    select
        max(day) over () - day as age,
        day,
        dau,
        avg(dau) over month as level,
        count(*) over month as days
    from {{ reporting }}.active_users_daily
    where slice = 'all' and is_complete
    window month as (order by day rows between 28 preceding and 1 preceding)
),

weekdays as (
    select age, day, dau, level, dau / nullif(level, 0) as ratio
    from levels
    where days = 28 and age <= 56 and age % 7 = 0
),

medians as (
    select percentile_cont(0.5) within group (order by ratio) as middle
    from weekdays
    where age > 0
    having count(ratio) >= 4
),

usual as (
    select
        middle,
        percentile_cont(0.5) within group (order by abs(ratio - middle)) as distance
    from medians
    inner join weekdays on age > 0
    group by middle
),

ranges as (
    select
        day,
        dau,
        middle * level as expected,
        greatest(
            4.45 * distance * level, 3.5 * sqrt(middle * level), 0.1 * middle * level
        ) as reach
    from usual
    inner join weekdays on age = 0
)

select
    day,
    dau as users,
    floor(greatest(expected - reach, 0)) as usual_from,
    ceil(expected + reach) as usual_to
from ranges
where
    expected >= 20
    and (dau < floor(greatest(expected - reach, 0)) or dau > ceil(expected + reach))
