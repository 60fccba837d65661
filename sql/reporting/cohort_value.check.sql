-- A cohort has the new users of its month. Its figures in the last month are lifetime figures, so
-- all cohorts together have every mile. Its redeemers never become fewer.

with lifetimes as (
    select
        slice, slice_value,
        sum(miles_earned) as miles_earned,
        sum(miles_redeemed) as miles_redeemed
    from (
        select distinct on (slice, slice_value, cohort_start)
            slice, slice_value, miles_earned, miles_redeemed
        from {{ reporting }}.cohort_value
        order by slice, slice_value, cohort_start, period_number desc
    ) as last_months
    group by slice, slice_value
),

totals as (
    select
        slice, slice_value,
        sum(miles_earned) as miles_earned,
        sum(miles_redeemed) as miles_redeemed
    from {{ warehouse }}.agg_engagement_daily
    group by slice, slice_value
),

cells as (
    select
        cohort_start, period_number, slice, slice_value, cohort_size, redeemers,
        lag(redeemers, 1, 0::bigint) over (
            partition by slice, slice_value, cohort_start
            order by period_number
        ) as redeemers_before
    from {{ reporting }}.cohort_value
)

select
    null as cohort_start,
    slice, slice_value,
    lifetimes.miles_earned, totals.miles_earned as miles_of_events,
    null as redeemers,
    null as cohort_size
from totals
full join lifetimes using (slice, slice_value)
where
    (totals.miles_earned, totals.miles_redeemed)
    is distinct from (lifetimes.miles_earned, lifetimes.miles_redeemed)
union all
select
    cells.cohort_start, cells.slice, cells.slice_value,
    null as miles_earned,
    null as miles_of_events,
    cells.redeemers, cells.cohort_size
from cells
left join {{ reporting }}.growth_accounting as growth
    on
        growth.grain = 'month'
        and growth.period_start = cells.cohort_start
        and growth.slice = cells.slice
        and growth.slice_value = cells.slice_value
where
    cells.cohort_size is distinct from growth.new_users
    or cells.redeemers not between cells.redeemers_before and cells.cohort_size
