-- reporting.retention
-- Grain: one row per grain, cohort, period number and slice value
--        (grain, cohort_start, period_number, slice, slice_value).
-- Rerun: changed keys; in each changed slice value, the periods from the first change on, and the
--        averages.
-- Why:   how many of the users who came in a week or month are active later. The rows without a
--        cohort are the average over complete cells, weighted by cohort size, where it covers at
--        least average_min_users.

delete from {{ this }} as report
{{ incremental }} using {{ warehouse }}.changed_slices as changed
{{ incremental }} where report.slice = changed.slice
{{ incremental }}     and report.slice_value = changed.slice_value
{{ incremental }}     and (
{{ incremental }}         cohort_start is null
{{ incremental }}         or grain = 'week' and cohort_start + 7 * (period_number + 1) > since
{{ incremental }}         or grain = 'month'
{{ incremental }}         and cohort_start + (period_number + 1) * interval '1 month' > since
{{ incremental }}     )
;

insert into {{ this }} (
    grain, cohort_start, period_number, slice, slice_value, cohort_size, active_users,
    retention_rate, cohorts, is_complete
)
with cohorts as (
    select
        slice, slice_value, grain, cohort_start,
        active_users as cohort_size
        {{ incremental }}, since
    from {{ warehouse }}.agg_period_activity
    {{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
    where
        grain <> 'day'
        and period_start = cohort_start
        and active_users > 0
),

periods as (
    select distinct
        grain, period_start,
        {{ warehouse }}.next_period(grain, period_start)
        <= max(calendar_date) over () as is_complete
    from {{ warehouse }}.dim_dates
    cross join lateral {{ warehouse }}.periods(calendar_date)
    where grain <> 'day'
),

cells as (
    select
        slice, slice_value, grain, cohort_start,
        case
            when grain = 'week' then (period_start - cohort_start) / 7
            else
                {{ warehouse }}.month_number(period_start)
                - {{ warehouse }}.month_number(cohort_start)
        end as period_number,
        cohort_size,
        coalesce(active_users, 0) as active_users,
        is_complete
    from cohorts
    inner join periods using (grain)
    left join {{ warehouse }}.agg_period_activity
        using (slice, slice_value, grain, cohort_start, period_start)
    where
        period_start >= cohort_start
        {{ incremental }} and {{ warehouse }}.next_period(grain, period_start) > since
)

select
    grain, cohort_start, period_number, slice, slice_value, cohort_size, active_users,
    trim_scale(round(active_users::numeric / cohort_size, 6)) as retention_rate,
    null as cohorts,
    is_complete
from cells;

insert into {{ this }} (
    grain, cohort_start, period_number, slice, slice_value, cohort_size, active_users,
    retention_rate, cohorts, is_complete
)
select
    grain,
    null as cohort_start,
    period_number, slice, slice_value,
    sum(cohort_size) as cohort_size,
    sum(active_users) as active_users,
    trim_scale(round(sum(active_users) / sum(cohort_size), 6)) as retention_rate,
    count(*) as cohorts,
    true as is_complete
from {{ this }}
{{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
where is_complete
group by grain, period_number, slice, slice_value
having sum(cohort_size) >= {{ average_min_users }};
