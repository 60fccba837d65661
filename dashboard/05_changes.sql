-- What changed
-- Question: What moved in the last full week or month, and who moved it?
-- Meaning:  Compares the last full week (with Grain: Month, the last full month) with the one
--           before. A figure is listed if it changed by 2 % or more, with the country, platform or
--           source that contributed most to the change for its size. A member or a category is
--           listed if it changed by 10 % or more and had at least twenty users both times; of each
--           kind, the one that changed most. A day is listed if its users are outside the usual
--           range of its weekday, and a check if it warned or failed. A click shows the figures.
-- Empty:    Nothing can be compared yet: no week is over.
-- Show:     sentences

with named as (
    select
        periods.grain,
        max(periods.period_start) as period_start,
        case periods.grain
            when 'month' then 'in ' || to_char(max(periods.period_start), 'FMMonth YYYY')
            else 'in the week of ' || to_char(max(periods.period_start), 'FMDD Mon YYYY')
        end as period
    from reporting.kpi_periods as periods
    where periods.slice = 'all' and periods.is_complete and periods.grain in ('week', 'month')
    group by periods.grain
),

-- The members that had enough users both times; none if the time before is partial.
large as (
    select
        drivers.grain,
        drivers.slice,
        drivers.slice_value,
        drivers.value as active_users,
        drivers.previous_value as active_before,
        drivers.value / drivers.previous_value - 1 as change
    from reporting.kpi_drivers as drivers
    inner join named using (grain, period_start)
    where drivers.figure = 'active_users' and least(drivers.value, drivers.previous_value) >= 20
),

figures as (
    select
        named.grain,
        named.period,
        figures.place,
        figures.figure,
        figures.title,
        figures.card,
        figures.value / (1 + figures.change) as previous,
        figures.change
    from named
    inner join reporting.kpi_periods as periods using (grain, period_start)
    cross join lateral (
        values
        (1, 'active_users', 'Active users', 'growth_accounting', active_users, active_change),
        (2, 'miles_earned', 'Miles earned', 'miles', miles_earned, earned_change),
        (3, 'miles_redeemed', 'Miles redeemed', 'miles', miles_redeemed, redeemed_change)
    ) as figures (place, figure, title, card, value, change)
    where periods.slice = 'all' and abs(figures.change) >= 0.02 and figures.change > -1
),

drivers as (
    select distinct on (drivers.grain, drivers.figure)
        drivers.grain,
        drivers.figure,
        drivers.slice,
        drivers.slice_value,
        drivers.share_of_change
    from reporting.kpi_drivers as drivers
    inner join figures using (grain, figure)
    inner join named using (grain, period_start)
    inner join large using (grain, slice, slice_value)
    where drivers.share_of_change > 0
    order by
        drivers.grain,
        drivers.figure,
        drivers.share_of_change - drivers.previous_value / nullif(figures.previous, 0) desc,
        drivers.slice,
        drivers.rank
),

movers as (
    select distinct on (large.grain)
        large.*
    from large
    where abs(large.change) >= 0.1
    order by
        large.grain,
        abs(large.change) desc,
        large.slice,
        large.slice_value collate "C"
),

categories as (
    select distinct on (performance.grain)
        performance.grain,
        performance.transaction_category,
        performance.growth
    from reporting.category_performance as performance
    inner join named using (grain, period_start)
    where
        performance.users >= 20
        and performance.users / (1 + performance.growth) >= 20
        and abs(performance.growth) >= 0.1
    order by
        performance.grain,
        abs(performance.growth) desc,
        performance.transaction_category collate "C"
),

-- The last full day of everybody and its weekday before it, as the check of active_users_daily.
levels as (
    select
        max(activity.day) over () - activity.day as age,
        activity.day,
        activity.dau,
        case when count(*) over month = 28 then nullif(avg(activity.dau) over month, 0) end as level
    from reporting.active_users_daily as activity
    where activity.slice = 'all' and activity.is_complete
    window month as (order by activity.day rows between 28 preceding and 1 preceding)
),

medians as (
    select percentile_cont(0.5) within group (order by levels.dau / levels.level) as middle
    from levels
    where levels.age between 7 and 56 and levels.age % 7 = 0 and levels.level is not null
),

distances as (
    select
        medians.middle,
        percentile_cont(0.5) within group (order by abs(levels.dau / levels.level - medians.middle))
            as distance
    from medians
    inner join levels
        on levels.age between 7 and 56 and levels.age % 7 = 0 and levels.level is not null
    group by medians.middle
),

usual as (
    select
        newest.day,
        newest.dau,
        distances.middle * newest.level as middle,
        greatest(
            4.45 * distances.distance * newest.level,
            3.5 * sqrt(distances.middle * newest.level),
            0.1 * distances.middle * newest.level
        ) as reach
    from distances
    inner join levels as newest on newest.age = 0
),

said as (
    select
        figures.grain,
        figures.place,
        figures.figure,
        '' as before,
        figures.title as name,
        figures.change,
        figures.period as after,
        null as slice,
        null as slice_value,
        figures.card
    from figures
    union all
    select
        movers.grain,
        4 as place,
        null as figure,
        '' as before,
        movers.slice_value as name,
        movers.change,
        'active users, from ' || to_char(movers.active_before, 'FM999,999,990') || ' to '
        || to_char(movers.active_users, 'FM999,999,990') || ', ' || named.period as after,
        movers.slice,
        movers.slice_value,
        'growth_accounting' as card
    from movers
    inner join named using (grain)
    union all
    select
        categories.grain,
        5 as place,
        null as figure,
        '' as before,
        categories.transaction_category as name,
        categories.growth as change,
        'users, ' || named.period as after,
        null as slice,
        null as slice_value,
        'categories' as card
    from categories
    inner join named using (grain)
    union all
    select
        grains.grain,
        7 as place,
        null as figure,
        case when usual.middle is null then 'Check' else '' end as before,
        coalesce(to_char(usual.day, 'FMDay, FMDD Mon YYYY'), checks.check_name) as name,
        null as change,
        coalesce(
            'had ' || to_char(usual.dau, 'FM999,999,990') || ' users; usual for the weekday are '
            || to_char(floor(greatest(usual.middle - usual.reach, 0)), 'FM999,999,990') || ' to '
            || to_char(ceil(usual.middle + usual.reach), 'FM999,999,990'),
            checks.status
        ) as after,
        null as slice,
        null as slice_value,
        case when usual.middle is null then 'checks' else 'active_users' end as card
    from reporting.data_checks as checks
    cross join (values ('week'), ('month')) as grains (grain)
    left join usual on checks.check_name = 'active_users_daily.unusual'
    where checks.status in ('failed', 'warned')
),

quiet as (
    select
        named.grain,
        6 as place,
        'No figure moved by 2 % or more' as before,
        named.period as after
    from named
    left join said on said.grain = named.grain and said.place < 6
    where said.grain is null
)

select
    grain,
    place,
    coalesce(quiet.before, said.before) as before,
    said.name,
    round(said.change, 6) as change,
    coalesce(quiet.after, said.after) as after,
    drivers.slice_value as driver,
    drivers.slice as driver_slice,
    -- Users of members do not add up: they say where to look, not how much.
    case
        when said.figure = 'active_users' then 'most'
        when drivers.share_of_change > 1 then 'more than all of it'
        else round(drivers.share_of_change * 100) || '% of it'
    end as share,
    said.slice as link_slice,
    said.slice_value as link_member,
    said.card
from said
full join quiet using (grain, place)
left join drivers using (grain, figure)
order by grain, place, name;
