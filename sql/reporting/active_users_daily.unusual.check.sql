-- The last full day, if its users lie outside what is usual for its weekday: the median of the same
-- weekday in the eight weeks before, and 4.45 times the median distance from it (three standard
-- deviations, about) on both sides, at least a tenth. Four such days at least, and twenty users,
-- say what is usual. Events that did not come look like this, and so does a feast. The dashboard
-- draws it.
-- Level: warn

with newest as (
    select max(day) as day
    from {{ reporting }}.active_users_daily
    where slice = 'all' and is_complete
),

weekdays as (
    select
        activity.day,
        activity.dau
    from {{ reporting }}.active_users_daily as activity
    cross join newest
    where
        activity.slice = 'all'
        and activity.day between newest.day - 56 and newest.day
        and (newest.day - activity.day) % 7 = 0
),

medians as (
    select
        newest.day,
        percentile_cont(0.5) within group (order by weekdays.dau) as middle
    from newest
    inner join weekdays on weekdays.day < newest.day
    group by newest.day
    having count(*) >= 4
),

usual as (
    select
        medians.day,
        medians.middle,
        greatest(
            4.45 * percentile_cont(0.5) within group (order by abs(weekdays.dau - medians.middle)),
            0.1 * medians.middle
        ) as reach
    from medians
    inner join weekdays on weekdays.day < medians.day
    where medians.middle >= 20
    group by medians.day, medians.middle
)

select
    usual.day,
    weekdays.dau as users,
    floor(greatest(usual.middle - usual.reach, 0)) as usual_from,
    ceil(usual.middle + usual.reach) as usual_to
from usual
inner join weekdays on weekdays.day = usual.day
where
    weekdays.dau < floor(greatest(usual.middle - usual.reach, 0))
    or weekdays.dau > ceil(usual.middle + usual.reach)
