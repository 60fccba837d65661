-- reporting.cohort_value
-- Grain: one row per month of the first event, number of months since and slice value
--        (cohort_start, period_number, slice, slice_value).
-- Rerun: changed keys; in each changed slice value, the months from the first change on.
-- Why:   what cohorts are worth at the same age: lifetime sums favour the oldest.

delete from {{ this }} as report
{{ incremental }} using {{ warehouse }}.changed_slices as changed
{{ incremental }} where report.slice = changed.slice
{{ incremental }}     and report.slice_value = changed.slice_value
{{ incremental }}     and cohort_start + (period_number + 1) * interval '1 month' > since
;

insert into {{ this }} (
    cohort_start, period_number, slice, slice_value, cohort_size, miles_earned, miles_redeemed,
    miles_earned_per_user, redemption_rate, redeemers, is_complete
)
with cohorts as (
    select
        slice, slice_value,
        {{ warehouse }}.month_start(cohort_start) as cohort_start,
        sum(users) as cohort_size
    from {{ warehouse }}.agg_cohort_users
    {{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
    where figure = 'new'
    group by slice, slice_value, {{ warehouse }}.month_start(cohort_start)
),

-- What each month adds, with a row of zeros, so that months without an event appear too.
entries as (
    select
        slice, slice_value, cohort_start,
        {{ warehouse }}.month_number(period_start) - {{ warehouse }}.month_number(cohort_start)
            as period_number,
        0 as cohort_size,
        miles_earned, miles_redeemed,
        0 as redeemers
    from {{ warehouse }}.agg_slice_periods
    {{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
    where grain = 'month' and isfinite(cohort_start)
    union all
    select
        slice, slice_value, cohort_start,
        number as period_number,
        0 as cohort_size,
        0 as miles_earned,
        0 as miles_redeemed,
        users as redeemers
    from {{ warehouse }}.agg_cohort_users
    {{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
    where figure = 'redeemed'
    union all
    select
        slice, slice_value, cohort_start, period_number, cohort_size,
        0 as miles_earned,
        0 as miles_redeemed,
        0 as redeemers
    from cohorts
    cross join {{ warehouse }}.last_day
    cross join lateral generate_series(
        0, {{ warehouse }}.month_number(last_day) - {{ warehouse }}.month_number(cohort_start)
    ) as numbers (period_number)
),

cells as (
    select
        slice, slice_value, cohort_start, period_number,
        (cohort_start + make_interval(months => period_number + 1))::date as next_month,
        sum(cohort_size) as cohort_size,
        sum(sum(miles_earned)) over to_month as miles_earned,
        sum(sum(miles_redeemed)) over to_month as miles_redeemed,
        sum(sum(redeemers)) over to_month as redeemers
    from entries
    group by slice, slice_value, cohort_start, period_number
    window to_month as (partition by slice, slice_value, cohort_start order by period_number)
)

select
    cohort_start, period_number, slice, slice_value, cohort_size,
    trim_scale(miles_earned) as miles_earned,
    trim_scale(miles_redeemed) as miles_redeemed,
    trim_scale(round(miles_earned / cohort_size, 6)) as miles_earned_per_user,
    trim_scale(round(miles_redeemed / nullif(miles_earned, 0), 6)) as redemption_rate,
    redeemers,
    next_month <= last_day as is_complete
from cells
cross join {{ warehouse }}.last_day
{{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
{{ incremental }} where next_month > since
;
