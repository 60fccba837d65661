-- Headlines
-- Question: How do we stand on the last full day?
-- Meaning:  Each figure is of the last full day; its change is against the same figure 28 days
--           earlier or, with Compare, one range earlier. Quick ratio: users won (new or back) for
--           each user lost, in the last full week; its change is against the week before. Week-4
--           retention: the share of users who were active in the fourth week after their first,
--           over all cohorts that are old enough; the line has a point for each cohort of twenty
--           users or more. Miles earned and redeemed are those of 28 days; outstanding miles are
--           all miles earned and not redeemed so far. Of a country, platform or source, these three
--           are of its last full month. Burn rate: miles redeemed for each mile earned, over 28
--           days.
-- Show:     figures
-- Base:     users

-- A day is over, wherever on earth, when the sources were read 12 hours beyond it.
with newest as (
    select
        max(kpi.day) as day,
        coalesce(
            (select min(freshness.loaded_through) from reporting.freshness as freshness)
            >= (max(kpi.day) + 1)::timestamp at time zone 'UTC' + interval '12 hours',
            false
        ) as is_over
    from reporting.kpi_daily as kpi
),

-- Who is seen on the running day for the first time has no other.
last_days as (
    select
        kpi.slice,
        kpi.slice_value,
        coalesce(
            max(kpi.day) filter (where newest.is_over or kpi.day < newest.day), newest.day
        ) as day,
        not newest.is_over and bool_and(kpi.day = newest.day) as is_running
    from reporting.kpi_daily as kpi
    cross join newest
    group by kpi.slice, kpi.slice_value, newest.day, newest.is_over
),

-- Sums of 28 days, as soon as there are so many.
sums as (
    select
        kpi.*,
        balance.outstanding_miles,
        case when count(*) over month = 28 then sum(kpi.miles_earned) over month end as earned,
        case when count(*) over month = 28 then sum(kpi.miles_redeemed) over month end as redeemed
    from reporting.kpi_daily as kpi
    inner join reporting.miles_balance_daily as balance using (day, slice, slice_value)
    window month as (
        partition by kpi.slice, kpi.slice_value order by kpi.day
        rows between 27 preceding and current row
    )
),

days as (
    select
        sums.*,
        last_days.day as last_day,
        last_days.day - sums.day as age,
        to_char(last_days.day, 'FMDD Mon YYYY')
        || case when last_days.is_running then ', so far' else '' end as as_of
    from sums
    inner join last_days
        on last_days.slice = sums.slice and last_days.slice_value = sums.slice_value
    where last_days.day - sums.day between 0 and 90
),

daily as (
    select
        days.slice,
        days.slice_value,
        days.age,
        days.as_of,
        days.mau,
        'miles_balance/day/' || days.last_day || '/' || figures.of_days as repeats,
        figures.place,
        figures.figure,
        figures.value,
        figures.form,
        figures.better,
        figures.has_trend
    from days
    cross join lateral (
        values
        (1, 'Daily users, 7-day mean', days.dau_7d_average, 'number', 'up', true, null),
        (2, 'Weekly users', days.wau, 'number', 'up', true, null),
        (3, 'Monthly users, 28 days', days.mau, 'number', 'up', true, null),
        (4, 'Stickiness', days.stickiness, 'percent', 'up', true, null),
        (7, 'Miles earned, 28 days', days.earned, 'number', 'up', true, '28'),
        (8, 'Miles redeemed, 28 days', days.redeemed, 'number', '', true, '28'),
        (9, 'Outstanding miles', days.outstanding_miles, 'number', '', true, 'outstanding_miles'),
        -- Day by day, the miles of a small member would be those of a few people.
        (
            10,
            'Burn rate, 28 days',
            days.burn_rate,
            'percent',
            '',
            days.slice = 'all',
            case when days.slice = 'all' then '28' end
        )
    ) as figures (place, figure, value, form, better, has_trend, of_days)
    where days.slice = 'all' or figures.place not between 7 and 9
),

-- The last full month of a member, as the balance shows it.
months as (
    select
        periods.*,
        row_number() over (
            partition by periods.slice, periods.slice_value order by periods.period_start desc
        ) as age
    from reporting.kpi_periods as periods
    where periods.slice != 'all' and periods.grain = 'month' and periods.is_complete
),

weekly as (
    select
        growth.slice,
        growth.slice_value,
        growth.quick_ratio,
        growth.active_users,
        growth.period_start,
        row_number() over (
            partition by growth.slice, growth.slice_value order by growth.period_start desc
        ) as age
    from reporting.growth_accounting as growth
    where growth.grain = 'week' and growth.is_complete
),

-- Each cohort only of everybody, where there are enough.
fourth_weeks as (
    select
        retention.slice,
        retention.slice_value,
        retention.cohort_start,
        retention.cohort_size,
        retention.retention_rate
    from reporting.retention as retention
    where
        retention.grain = 'week'
        and retention.period_number = 4
        and retention.is_complete
        and (
            retention.cohort_start is null
            or (retention.slice = 'all' and retention.cohort_size >= 20)
        )
)

select
    daily.slice,
    daily.slice_value,
    daily.place,
    daily.figure,
    min(daily.value) filter (where daily.age = 0) as value,
    daily.form,
    min(daily.value) filter (where daily.age = 28) as previous,
    case when count(daily.value) filter (where daily.age = 28) = 1 then '28 days before' else '' end
        as compared_with,
    daily.better,
    case when daily.has_trend then array_agg(daily.value order by daily.age desc) end as trend,
    daily.as_of,
    -- A change stands on the fewer users of both days.
    min(daily.mau) filter (where daily.age = 0 or (daily.age = 28 and daily.mau > 0)) as users,
    daily.repeats
from daily
group by
    daily.slice,
    daily.slice_value,
    daily.place,
    daily.figure,
    daily.form,
    daily.better,
    daily.has_trend,
    daily.as_of,
    daily.repeats
union all
select
    last_days.slice,
    last_days.slice_value,
    5 as place,
    'Quick ratio, last week' as figure,
    min(weekly.quick_ratio) filter (where weekly.age = 1) as value,
    'decimal' as form,
    min(weekly.quick_ratio) filter (where weekly.age = 2) as previous,
    case
        when count(weekly.age) = 0 then 'no full week yet'
        when count(weekly.quick_ratio) filter (where weekly.age = 1) = 0 then 'nobody was lost'
        else 'the week before'
    end as compared_with,
    'up' as better,
    array_agg(weekly.quick_ratio order by weekly.age desc) filter (where weekly.age <= 13) as trend,
    'week of ' || to_char(min(weekly.period_start) filter (where weekly.age = 1), 'FMDD Mon YYYY')
        as as_of,
    min(weekly.active_users) filter (where weekly.age <= 2) as users,
    null as repeats
from last_days
left join weekly
    on weekly.slice = last_days.slice and weekly.slice_value = last_days.slice_value
group by last_days.slice, last_days.slice_value
union all
select
    last_days.slice,
    last_days.slice_value,
    6 as place,
    'Week-4 retention' as figure,
    min(fourth_weeks.retention_rate) filter (where fourth_weeks.cohort_start is null) as value,
    'percent' as form,
    null as previous,
    case
        when count(*) filter (where fourth_weeks.retention_rate is not null) = 0
            then 'no cohort is old enough'
        when count(fourth_weeks.cohort_start) > 1 then 'all cohorts; the line shows each'
        else 'all cohorts'
    end as compared_with,
    'up' as better,
    array_agg(fourth_weeks.retention_rate order by fourth_weeks.cohort_start)
        filter (where fourth_weeks.cohort_start is not null) as trend,
    null as as_of,
    min(fourth_weeks.cohort_size) filter (where fourth_weeks.cohort_start is null) as users,
    'retention/week/4' as repeats
from last_days
left join fourth_weeks
    on
        fourth_weeks.slice = last_days.slice
        and fourth_weeks.slice_value = last_days.slice_value
group by last_days.slice, last_days.slice_value
union all
select
    months.slice,
    months.slice_value,
    figures.place,
    figures.figure,
    figures.value,
    'number' as form,
    null as previous,
    'the last full month' as compared_with,
    figures.better,
    null as trend,
    to_char(months.period_start, 'Mon YYYY') as as_of,
    least(nullif(months.earning_users, 0), nullif(months.redeeming_users, 0)) as users,
    'miles_balance/month/' || months.period_start || '/' || figures.name as repeats
from months
cross join lateral (
    values
    (7, 'Miles earned, month', 'miles_earned', months.miles_earned, 'up'),
    (8, 'Miles redeemed, month', 'miles_redeemed', months.miles_redeemed, ''),
    (9, 'Outstanding miles', 'outstanding_miles', months.outstanding_miles, '')
) as figures (place, figure, name, value, better)
where months.age = 1
order by slice, slice_value, place;
