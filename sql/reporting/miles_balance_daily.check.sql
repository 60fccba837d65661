-- Outstanding miles change from day to day by the net miles, without a gap, and end as all miles
-- earned less all redeemed.

with days as (
    select
        day, slice, slice_value, outstanding_miles,
        outstanding_miles - net_miles as carried_over,
        lag(outstanding_miles, 1, 0) over to_day as outstanding_before,
        day - lag(day) over to_day as days_since,
        lead(day) over to_day is null as is_last
    from {{ reporting }}.miles_balance_daily
    window to_day as (partition by slice, slice_value order by day)
),

totals as (
    select
        slice, slice_value,
        sum(miles_earned - miles_redeemed) as outstanding_in_all
    from {{ warehouse }}.agg_engagement_daily
    group by slice, slice_value
)

select
    slice, slice_value, days.day, days.outstanding_before, days.carried_over,
    days.outstanding_miles, totals.outstanding_in_all
from days
full join totals using (slice, slice_value)
where
    days.outstanding_before is distinct from days.carried_over
    or days.days_since <> 1
    or (days.is_last and days.outstanding_miles is distinct from totals.outstanding_in_all)
