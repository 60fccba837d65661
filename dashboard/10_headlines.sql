-- Headlines
-- Question: How do we stand on the last full day?
-- Meaning:  Each figure is of the last day that is over, its change against the same figure 28 days
--           earlier: the last day of the data still runs, and its figures would look like a fall.
--           The quick ratio is of the last full week: users won (new or back) for each user lost;
--           its change is against the week before. Week-4 retention is over all cohorts that are
--           four full weeks old. Burn rate is miles redeemed for each mile earned, over 28 days.
-- Show:     figures

with newest as (
    select max(kpi.day) as day
    from reporting.kpi_daily as kpi
),

-- Who is seen on the running day for the first time has no other.
last_days as (
    select
        kpi.slice,
        kpi.slice_value,
        coalesce(max(kpi.day) filter (where kpi.day < newest.day), newest.day) as day,
        bool_and(kpi.day = newest.day) as is_running
    from reporting.kpi_daily as kpi
    cross join newest
    group by kpi.slice, kpi.slice_value, newest.day
),

days as (
    select
        kpi.*,
        last_days.day - kpi.day as age,
        to_char(last_days.day, 'FMDD Mon YYYY')
        || case when last_days.is_running then ', so far' else '' end as as_of
    from reporting.kpi_daily as kpi
    inner join last_days
        on last_days.slice = kpi.slice and last_days.slice_value = kpi.slice_value
    where last_days.day - kpi.day between 0 and 90
),

daily as (
    select
        days.slice,
        days.slice_value,
        days.age,
        days.as_of,
        figures.place,
        figures.figure,
        figures.value,
        figures.form,
        figures.better
    from days
    cross join lateral (
        values
        (1, 'Daily users, 7-d mean', days.dau_7d_average, 'number', 'up'),
        (2, 'Weekly users', days.wau, 'number', 'up'),
        (3, 'Monthly users, 28 d', days.mau, 'number', 'up'),
        (4, 'Stickiness', days.stickiness, 'percent', 'up'),
        (7, 'Burn rate, 28 d', days.burn_rate, 'percent', '')
    ) as figures (place, figure, value, form, better)
),

weekly as (
    select
        growth.slice,
        growth.slice_value,
        growth.quick_ratio,
        growth.period_start,
        row_number() over (
            partition by growth.slice, growth.slice_value order by growth.period_start desc
        ) as age
    from reporting.growth_accounting as growth
    where growth.grain = 'week' and growth.is_complete
),

fourth_weeks as (
    select
        retention.slice,
        retention.slice_value,
        retention.cohort_start,
        retention.retention_rate
    from reporting.retention as retention
    where
        retention.grain = 'week'
        and retention.period_number = 4
        and retention.is_complete
)

select
    daily.slice,
    daily.slice_value,
    daily.place,
    daily.figure,
    min(daily.value) filter (where daily.age = 0) as value,
    daily.form,
    min(daily.value) filter (where daily.age = 28) as previous,
    case when count(*) filter (where daily.age = 28) = 1 then '28 days before' else '' end
        as compared_with,
    daily.better,
    array_agg(daily.value order by daily.age desc) as trend,
    daily.as_of
from daily
group by
    daily.slice,
    daily.slice_value,
    daily.place,
    daily.figure,
    daily.form,
    daily.better,
    daily.as_of
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
        as as_of
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
        when count(fourth_weeks.retention_rate) = 0 then 'no cohort is that old'
        else 'all cohorts; line: each cohort'
    end as compared_with,
    'up' as better,
    array_agg(fourth_weeks.retention_rate order by fourth_weeks.cohort_start)
        filter (where fourth_weeks.cohort_start is not null) as trend,
    null as as_of
from last_days
left join fourth_weeks
    on
        fourth_weeks.slice = last_days.slice
        and fourth_weeks.slice_value = last_days.slice_value
group by last_days.slice, last_days.slice_value
order by slice, slice_value, place;
