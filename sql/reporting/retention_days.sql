-- reporting.retention_days
-- Grain: one row per grain, cohort, day number and slice value
--        (grain, cohort_start, day_number, slice, slice_value).
-- Rerun: changed keys; in each changed slice value, the day numbers of cohorts from the first
--        change on, and the averages.
-- Why:   how many users are active exactly so many days after their first day, and how many have
--        come back by then. Users whose day is not over count in neither, or young cohorts would
--        look worse than they are.

delete from {{ this }} as report
{{ incremental }} using {{ warehouse }}.changed_slices as changed
{{ incremental }} where report.slice = changed.slice
{{ incremental }}     and report.slice_value = changed.slice_value
{{ incremental }}     and (
{{ incremental }}         cohort_start is null
{{ incremental }}         or {{ warehouse }}.next_period(grain, cohort_start) + day_number > since
{{ incremental }}     )
;

insert into {{ this }} (
    grain, cohort_start, day_number, slice, slice_value, cohort_size, eligible_users,
    retained_users, returned_users, retention_rate, return_rate, cohorts, is_complete
)
-- First days of a period are counted together if the same day numbers are over.
with days as (
    select
        grain, period_start, slice, slice_value, figure, number, last_day,
        {{ warehouse }}.next_period(grain, period_start) as next_period,
        {{ incremental }} since,
        width_bucket(last_day - calendar_date - 1, array[1, 3, 7, 14, 30, 60, 90]) as over,
        sum(users) as users
    from {{ warehouse }}.agg_cohort_users
    inner join {{ warehouse }}.dim_dates on calendar_date = cohort_start
    {{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
    cross join {{ warehouse }}.last_day
    cross join lateral (
        select 'week' as grain, week_start as period_start
        union all
        select 'month' as grain, month_start as period_start
    ) as periods
    where
        figure in ('new', 'active', 'returned')
        -- A month has at most 31 days.
        {{ incremental }} and cohort_start > since - 90 - 31
        {{ incremental }} and (figure <> 'active' or cohort_start > since - number - 31)
    group by
        {{ incremental }} since,
        grain, period_start, slice, slice_value, figure, number, over, last_day
),

cohorts as (
    select
        grain,
        period_start as cohort_start,
        day_number, slice, slice_value,
        next_period + day_number <= last_day as is_complete,
        sum(users) filter (where figure = 'new') as cohort_size,
        coalesce(sum(users) filter (where figure = 'new' and place <= over), 0)
            as eligible_users,
        coalesce(sum(users) filter (where figure = 'active' and place <= over), 0)
            as retained_users,
        coalesce(sum(users) filter (where figure = 'returned' and place <= over), 0)
            as returned_users
    from days
    inner join unnest(array[1, 3, 7, 14, 30, 60, 90]) with ordinality as numbers (day_number, place)
        on
            case figure
                when 'active' then number = day_number
                when 'returned' then number <= day_number
                else true
            end
            {{ incremental }} and next_period + day_number > since
    group by grain, period_start, next_period, day_number, slice, slice_value, last_day
)

select
    grain, cohort_start, day_number, slice, slice_value, cohort_size, eligible_users,
    retained_users, returned_users,
    trim_scale(round(retained_users / eligible_users, 6)) as retention_rate,
    trim_scale(round(returned_users / eligible_users, 6)) as return_rate,
    null as cohorts,
    is_complete
from cohorts
where eligible_users > 0;

insert into {{ this }} (
    grain, cohort_start, day_number, slice, slice_value, cohort_size, eligible_users,
    retained_users, returned_users, retention_rate, return_rate, cohorts, is_complete
)
select
    grain,
    null as cohort_start,
    day_number, slice, slice_value,
    sum(cohort_size) as cohort_size, sum(eligible_users) as eligible_users,
    sum(retained_users) as retained_users, sum(returned_users) as returned_users,
    trim_scale(round(sum(retained_users) / sum(eligible_users), 6)) as retention_rate,
    trim_scale(round(sum(returned_users) / sum(eligible_users), 6)) as return_rate,
    count(*) as cohorts,
    true as is_complete
from {{ this }}
{{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
where is_complete
group by grain, day_number, slice, slice_value
having sum(cohort_size) >= {{ average_min_users }};
