-- The last full day, if its users are outside the usual range of its weekday. A day is divided by
-- the mean of the 28 days before it, so that growth raises no alarm. The middle of the range is the
-- median of that ratio on the same weekday of the last eight weeks; on both sides it reaches as far
-- as the largest of 4.45 times the median distance from the middle (about three standard
-- deviations), a tenth, and 3.5 times the square root of the users, by which chance alone moves
-- them. At least four such days and twenty expected users are needed. Events that did not arrive
-- look like this, and so does a public holiday. The dashboard draws the range.
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
