-- reporting.retention
-- Grain: one row per grain, cohort, period number and slice value
--        (grain, cohort_start, period_number, slice, slice_value).
-- Rerun: whole; as many rows as cohorts times periods, in each slice value.
-- Why:   of the users who came in a week or month, how many are there later. The rows without a
--        cohort are the average over complete cells, weighted by the size of the cohorts.

insert into {{ this }} (
    grain,
    cohort_start,
    period_number,
    slice,
    slice_value,
    cohort_size,
    active_users,
    retention_rate,
    is_complete
)
with cohorts as (
    select
        activity.slice,
        activity.slice_value,
        activity.grain,
        activity.cohort_start,
        activity.active_users as cohort_size
    from {{ warehouse }}.agg_period_activity as activity
    where
        activity.grain <> 'day'
        and activity.period_start = activity.cohort_start
        and activity.active_users > 0
),

periods as (
    select distinct
        grains.grain,
        grains.period_start,
        grains.period_end < max(dates.calendar_date) over () as is_complete
    from {{ warehouse }}.dim_dates as dates
    cross join lateral (
        values
        ('week', dates.week_start, dates.week_start + 6),
        ('month', dates.month_start, (dates.month_start + interval '1 month')::date - 1)
    ) as grains (grain, period_start, period_end)
),

cells as (
    select
        cohorts.slice,
        cohorts.slice_value,
        cohorts.grain,
        cohorts.cohort_start,
        case
            when cohorts.grain = 'week' then (periods.period_start - cohorts.cohort_start) / 7
            else
                12 * extract(year from periods.period_start)
                + extract(month from periods.period_start)
                - 12 * extract(year from cohorts.cohort_start)
                - extract(month from cohorts.cohort_start)
        end as period_number,
        cohorts.cohort_size,
        coalesce(activity.active_users, 0) as active_users,
        periods.is_complete
    from cohorts
    inner join periods
        on periods.grain = cohorts.grain and periods.period_start >= cohorts.cohort_start
    left join {{ warehouse }}.agg_period_activity as activity
        on
            activity.slice = cohorts.slice
            and activity.slice_value = cohorts.slice_value
            and activity.grain = cohorts.grain
            and activity.cohort_start = cohorts.cohort_start
            and activity.period_start = periods.period_start
),

averages as (
    select
        cells.slice,
        cells.slice_value,
        cells.grain,
        cells.period_number,
        sum(cells.cohort_size) as cohort_size,
        sum(cells.active_users) as active_users
    from cells
    where cells.is_complete
    group by
        cells.slice,
        cells.slice_value,
        cells.grain,
        cells.period_number
)

select
    cells.grain,
    cells.cohort_start,
    cells.period_number,
    cells.slice,
    cells.slice_value,
    cells.cohort_size,
    cells.active_users,
    round(cells.active_users::numeric / cells.cohort_size, 6) as retention_rate,
    cells.is_complete
from cells
union all
select
    averages.grain,
    null as cohort_start,
    averages.period_number,
    averages.slice,
    averages.slice_value,
    averages.cohort_size,
    averages.active_users,
    round(averages.active_users / averages.cohort_size, 6) as retention_rate,
    true as is_complete
from averages;
