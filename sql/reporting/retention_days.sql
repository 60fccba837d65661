-- reporting.retention_days
-- Grain: one row per grain, cohort, day number and slice value
--        (grain, cohort_start, day_number, slice, slice_value).
-- Rerun: whole; as many rows as cohorts, day numbers and slice values.
-- Why:   who is back on the day after tomorrow, and who has been back by then. Users whose day is
--        not over are in neither, or young cohorts would look worse than they are.

insert into {{ this }} (
    grain, cohort_start, day_number, slice, slice_value, cohort_size, eligible_users,
    retained_users, returned_users, retention_rate, return_rate, cohorts, is_complete
)
-- First days that are alike: of one period, and as many days ago or more than 90.
with days as (
    select
        grain,
        period_start as cohort_start,
        slice, slice_value, figure, number,
        least(last_day - cohorts.cohort_start, 91) as days_since,
        last_day - {{ warehouse }}.next_period(grain, period_start) + 1 as days_over,
        sum(users) as users
    from {{ warehouse }}.agg_cohort_users as cohorts
    cross join {{ warehouse }}.last_day
    cross join lateral {{ warehouse }}.periods(cohorts.cohort_start)
    where
        figure in ('new', 'active', 'returned')
        and grain <> 'day'
    group by
        grain, period_start, slice, slice_value, figure, number, days_since, days_over
),

cohorts as (
    select
        grain, cohort_start, day_number, slice, slice_value,
        days_over > day_number as is_complete,
        sum(users) filter (where figure = 'new') as cohort_size,
        coalesce(sum(users) filter (where figure = 'new' and days_since > day_number), 0)
            as eligible_users,
        coalesce(
            sum(users) filter (
                where figure = 'active' and number = day_number and days_since > day_number
            ),
            0
        ) as retained_users,
        coalesce(
            sum(users) filter (
                where figure = 'returned' and number <= day_number and days_since > day_number
            ),
            0
        ) as returned_users
    from days
    cross join unnest(array[1, 3, 7, 14, 30, 60, 90]) as numbers (day_number)
    group by grain, cohort_start, day_number, slice, slice_value, days_over
),

lines as (
    select
        grain, cohort_start, day_number, slice, slice_value, cohort_size, eligible_users,
        retained_users, returned_users,
        null as cohorts,
        is_complete
    from cohorts
    where eligible_users > 0
    union all
    select
        grain,
        null as cohort_start,
        day_number, slice, slice_value,
        sum(cohort_size) as cohort_size,
        sum(eligible_users) as eligible_users,
        sum(retained_users) as retained_users,
        sum(returned_users) as returned_users,
        count(*) as cohorts,
        true as is_complete
    from cohorts
    where is_complete
    group by grain, day_number, slice, slice_value
    having sum(cohort_size) >= {{ average_min_users }}
)

select
    grain, cohort_start, day_number, slice, slice_value, cohort_size, eligible_users,
    retained_users, returned_users,
    trim_scale(round(retained_users / eligible_users, 6)) as retention_rate,
    trim_scale(round(returned_users / eligible_users, 6)) as return_rate,
    cohorts, is_complete
from lines;
