-- Days equal those of kpi_daily. Weeks and months have the events and miles of their days, and end
-- with the same outstanding miles.

with sums as (
    select
        slice, slice_value, grain,
        sum(events) as events, sum(miles_earned) as miles_earned,
        sum(miles_redeemed) as miles_redeemed, sum(net_miles) as net_miles,
        (array_agg(outstanding_miles order by period_start desc))[1] as outstanding_miles
    from {{ reporting }}.kpi_periods
    group by slice, slice_value, grain
)

select
    'day' as grain,
    day as period_start,
    slice, slice_value,
    days.events as events_of_days,
    periods.events
from {{ reporting }}.kpi_daily as days
full join (
    select
        period_start as day,
        slice, slice_value, active_users, new_users, events, miles_earned, miles_redeemed
    from {{ reporting }}.kpi_periods
    where grain = 'day'
) as periods using (day, slice, slice_value)
where
    (days.dau, days.new_users, days.events, days.miles_earned, days.miles_redeemed)
    is distinct from (
        periods.active_users, periods.new_users, periods.events, periods.miles_earned,
        periods.miles_redeemed
    )
union all
select
    grain, period_start, slice, slice_value,
    null as events_of_days,
    events
from {{ reporting }}.kpi_periods
where
    earning_users > active_users
    or redeeming_users > active_users
union all
select
    sums.grain,
    null as period_start,
    slice, slice_value,
    days.events as events_of_days,
    sums.events
from sums
inner join sums as days using (slice, slice_value)
where
    days.grain = 'day'
    and (
        (sums.events, sums.miles_earned, sums.miles_redeemed, sums.outstanding_miles)
        is distinct from
        (days.events, days.miles_earned, days.miles_redeemed, days.outstanding_miles)
        or sums.net_miles <> sums.outstanding_miles
    )
