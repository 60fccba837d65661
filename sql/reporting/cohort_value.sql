-- reporting.cohort_value
-- Grain: one row per month of the first event, number of months since and slice value
--        (cohort_start, period_number, slice, slice_value).
-- Rerun: changed keys; of the slice values that a change touches, the months since then.
-- Why:   what a cohort is worth, at the same age as another: lifetime sums favour whoever came
--        first.

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
with sizes as (
    select
        slice, slice_value,
        {{ warehouse }}.month_start(cohort_start) as cohort_start,
        sum(users) as cohort_size
    from {{ warehouse }}.agg_cohort_users
    {{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
    where figure = 'new'
    group by slice, slice_value, {{ warehouse }}.month_start(cohort_start)
),

months as (
    select distinct
        month_start as month,
        {{ warehouse }}.next_period('month', month_start) <= last_day as is_complete
    from {{ warehouse }}.dim_dates
    cross join {{ warehouse }}.last_day
),

cells as (
    select
        sizes.slice, sizes.slice_value, sizes.cohort_start, cohort_size, month, is_complete,
        {{ warehouse }}.month_number(month) - {{ warehouse }}.month_number(sizes.cohort_start)
            as period_number,
        sum(coalesce(miles_earned, 0)) over to_month as miles_earned,
        sum(coalesce(miles_redeemed, 0)) over to_month as miles_redeemed,
        sum(coalesce(redeemed.users, 0)) over to_month as redeemers
    from sizes
    inner join months on month >= sizes.cohort_start
    left join {{ warehouse }}.agg_slice_periods as periods
        on
            periods.slice = sizes.slice
            and periods.slice_value = sizes.slice_value
            and grain = 'month'
            and period_start = month
            and periods.cohort_start = sizes.cohort_start
    left join {{ warehouse }}.agg_cohort_users as redeemed
        on
            redeemed.slice = sizes.slice
            and redeemed.slice_value = sizes.slice_value
            and figure = 'redeemed'
            and redeemed.cohort_start = sizes.cohort_start
            and number
            = {{ warehouse }}.month_number(month)
            - {{ warehouse }}.month_number(sizes.cohort_start)
    window to_month as (
        partition by sizes.slice, sizes.slice_value, sizes.cohort_start
        order by month
    )
)

select
    cohort_start, period_number, slice, slice_value, cohort_size,
    trim_scale(miles_earned) as miles_earned,
    trim_scale(miles_redeemed) as miles_redeemed,
    trim_scale(round(miles_earned / cohort_size, 6)) as miles_earned_per_user,
    trim_scale(round(miles_redeemed / nullif(miles_earned, 0), 6)) as redemption_rate,
    redeemers, is_complete
from cells
{{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
{{ incremental }} where {{ warehouse }}.next_period('month', month) > since
;
