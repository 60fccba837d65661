-- reporting.growth_accounting
-- Grain: one row per grain, period and slice value (grain, period_start, slice, slice_value).
-- Rerun: changed keys; in each changed slice value, the periods from the first change on.
-- Why:   new, retained and resurrected users add up to the active ones; retained and churned ones
--        to those of the period before (checked). While a period runs, nobody has churned yet.

delete from {{ this }} as report
{{ incremental }} using {{ warehouse }}.changed_slices as changed
{{ incremental }} where report.slice = changed.slice
{{ incremental }}     and report.slice_value = changed.slice_value
{{ incremental }}     and {{ warehouse }}.next_period(grain, period_start) > since
;

insert into {{ this }} (
    grain, period_start, slice, slice_value, active_users, new_users, retained_users,
    resurrected_users, churned_users, quick_ratio, retention_rate, is_first_period, is_complete
)
with periods as (
    select distinct
        grain, period_start,
        {{ warehouse }}.next_period(grain, period_start)
        <= max(calendar_date) over () as is_complete
    from {{ warehouse }}.dim_dates
    cross join lateral {{ warehouse }}.periods(calendar_date)
),

activity as (
    select
        slice, slice_value, grain, period_start,
        sum(active_users) as active_users, sum(new_users) as new_users,
        sum(retained_users) as retained_users, sum(resurrected_users) as resurrected_users,
        sum(churned_users) as churned_users
    from {{ warehouse }}.agg_period_activity
    {{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
    group by slice, slice_value, grain, period_start
),

slices as (
    select
        slice, slice_value, grain,
        min(period_start) as first_period
    from activity
    group by slice, slice_value, grain
),

accounts as (
    select
        grain, period_start, slice, slice_value,
        coalesce(active_users, 0) as active_users, coalesce(new_users, 0) as new_users,
        coalesce(retained_users, 0) as retained_users,
        coalesce(resurrected_users, 0) as resurrected_users,
        case when is_complete then coalesce(churned_users, 0) end as churned_users,
        lag(coalesce(active_users, 0)) over (
            partition by slice, slice_value, grain order by period_start
        ) as users_before,
        period_start = first_period as is_first_period,
        is_complete
    from slices
    inner join periods using (grain)
    left join activity using (slice, slice_value, grain, period_start)
    where period_start >= first_period
)

select
    grain, period_start, slice, slice_value, active_users, new_users, retained_users,
    resurrected_users, churned_users,
    trim_scale(round((new_users + resurrected_users) / nullif(churned_users, 0), 6))
        as quick_ratio,
    case when is_complete then trim_scale(round(retained_users / nullif(users_before, 0), 6)) end
        as retention_rate,
    is_first_period, is_complete
from accounts
{{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
{{ incremental }} where {{ warehouse }}.next_period(grain, period_start) > since
;
