-- What changed
-- Question: What moved in the last full week or month, and who moved it?
-- Meaning:  The last full month (with Grain: Month) or week against the one before. A figure is
--           named from 2 % on, with the platform, source and country that moved it most; a member
--           and a category from 10 % on, if it had twenty users or more both times; of each, the
--           one that moved most. A day is named if its users lie outside what is usual for its
--           weekday, a check if it warned or failed. A click shows the figures.
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
    where
        drivers.figure = 'active_users'
        and drivers.value >= 20
        and drivers.previous_value >= 20
),

figures as (
    select
        named.grain,
        named.period,
        figures.place,
        figures.figure,
        figures.title,
        figures.card,
        figures.value,
        figures.change
    from named
    inner join reporting.kpi_periods as periods using (grain, period_start)
    cross join lateral (
        values
        (1, 'active_users', 'Active users', 'growth_accounting', active_users, active_change),
        (2, 'miles_earned', 'Miles earned', 'miles', miles_earned, earned_change),
        (3, 'miles_redeemed', 'Miles redeemed', 'miles', miles_redeemed, redeemed_change)
    ) as figures (place, figure, title, card, value, change)
    where periods.slice = 'all' and abs(figures.change) >= 0.02
),

-- Users of members do not add up: they say where to look, not how much.
shares as (
    select distinct on (drivers.grain, drivers.figure, drivers.slice)
        drivers.grain,
        drivers.figure,
        drivers.slice,
        drivers.slice_value,
        case
            when drivers.figure = 'active_users' then 'most'
            when drivers.share_of_change > 1 then 'more than all of it'
            else round(drivers.share_of_change * 100) || '% of it'
        end as share
    from reporting.kpi_drivers as drivers
    inner join named using (grain, period_start)
    inner join large using (grain, slice, slice_value)
    where drivers.share_of_change > 0
    order by drivers.grain, drivers.figure, drivers.slice, drivers.rank
),

drivers as (
    select
        shares.grain,
        shares.figure,
        max(shares.slice_value) filter (where shares.slice = 'country') as driver,
        max(shares.share) filter (where shares.slice = 'country') as share,
        string_agg(
            ', ' || shares.share
            || case shares.slice when 'platform' then ' on ' else ' from ' end
            || shares.slice_value,
            ''
            order by shares.slice
        ) filter (where shares.slice <> 'country') as others
    from shares
    group by shares.grain, shares.figure
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
weekdays as (
    select
        max(activity.day) over () - activity.day as age,
        activity.*
    from reporting.active_users_daily as activity
    where activity.slice = 'all' and activity.is_complete
),

medians as (
    select percentile_cont(0.5) within group (order by weekdays.dau) as middle
    from weekdays
    where weekdays.age between 7 and 56 and weekdays.age % 7 = 0
),

usual as (
    select
        medians.middle,
        greatest(
            4.45 * percentile_cont(0.5) within group (order by abs(weekdays.dau - medians.middle)),
            0.1 * medians.middle
        ) as reach
    from medians
    inner join weekdays on weekdays.age between 7 and 56 and weekdays.age % 7 = 0
    group by medians.middle
),

-- A change in per cent, in words before it and with its sign.
said as (
    select
        figures.grain,
        figures.place,
        '' as before,
        figures.title as name,
        figures.change,
        figures.period || coalesce(drivers.others, '') as after,
        drivers.driver,
        drivers.share,
        null as slice,
        null as slice_value,
        figures.card
    from figures
    left join drivers using (grain, figure)
    union all
    select
        movers.grain,
        4 as place,
        '' as before,
        movers.slice_value as name,
        movers.change,
        'active users, from ' || to_char(movers.active_before, 'FM999,999,990') || ' to '
        || to_char(movers.active_users, 'FM999,999,990') || ', ' || named.period as after,
        null as driver,
        null as share,
        movers.slice,
        movers.slice_value,
        'growth_accounting' as card
    from movers
    inner join named using (grain)
    union all
    select
        categories.grain,
        5 as place,
        '' as before,
        categories.transaction_category as name,
        categories.growth as change,
        'users, ' || named.period as after,
        null as driver,
        null as share,
        null as slice,
        null as slice_value,
        'categories' as card
    from categories
    inner join named using (grain)
    union all
    select
        grains.grain,
        7 as place,
        case when usual.middle is null then 'Check' else '' end as before,
        coalesce(to_char(weekdays.day, 'FMDay, FMDD Mon YYYY'), checks.check_name) as name,
        null as change,
        coalesce(
            'had ' || to_char(weekdays.dau, 'FM999,999,990') || ' users; usual for the weekday are '
            || to_char(floor(greatest(usual.middle - usual.reach, 0)), 'FM999,999,990') || ' to '
            || to_char(ceil(usual.middle + usual.reach), 'FM999,999,990'),
            checks.status
        ) as after,
        null as driver,
        null as share,
        null as slice,
        null as slice_value,
        case when usual.middle is null then 'checks' else 'active_users' end as card
    from reporting.data_checks as checks
    cross join (values ('week'), ('month')) as grains (grain)
    left join usual on checks.check_name = 'active_users_daily.unusual'
    left join weekdays on usual.middle is not null and weekdays.age = 0
    where checks.status in ('failed', 'warned')
)

select
    grain,
    place,
    before,
    name,
    round(change, 6) as change,
    after,
    driver,
    share,
    slice as link_slice,
    slice_value as link_member,
    card
from said
union all
select
    named.grain,
    6 as place,
    'No figure moved by 2 % or more' as before,
    null as name,
    null as change,
    named.period as after,
    null as driver,
    null as share,
    null as link_slice,
    null as link_member,
    null as card
from named
where
    named.grain not in (
        select said.grain
        from said
        where said.place < 6
    )
order by grain, place, name;
