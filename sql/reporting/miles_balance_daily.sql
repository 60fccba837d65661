-- reporting.miles_balance_daily
-- Grain: one row per day and slice value (day, slice, slice_value).
-- Rerun: whole; as many rows as days and slice values.
-- Why:   miles that users hold are what the programme owes them. The burn rate says how fast they
--        are spent.

insert into {{ this }} (
    day, slice, slice_value, miles_earned, miles_redeemed, net_miles, outstanding_miles, burn_rate
)
with slices as (
    select
        slice, slice_value,
        min(event_date) as first_day
    from {{ warehouse }}.agg_engagement_daily
    group by slice, slice_value
),

-- A day of nothing is put beside each day, so that quiet ones are there too.
days as (
    select
        entries.day, entries.slice, entries.slice_value,
        sum(entries.miles_earned) as miles_earned,
        sum(entries.miles_redeemed) as miles_redeemed
    from (
        select
            event_date as day,
            slice, slice_value, miles_earned, miles_redeemed
        from {{ warehouse }}.agg_engagement_daily
        union all
        select
            dates.calendar_date as day,
            slices.slice, slices.slice_value,
            0 as miles_earned,
            0 as miles_redeemed
        from slices
        inner join {{ warehouse }}.dim_dates as dates on dates.calendar_date >= slices.first_day
    ) as entries
    group by entries.day, entries.slice, entries.slice_value
)

select
    day, slice, slice_value, miles_earned, miles_redeemed,
    miles_earned - miles_redeemed as net_miles,
    sum(miles_earned - miles_redeemed) over to_day as outstanding_miles,
    round(
        sum(miles_redeemed) over last_28_days
        / nullif(sum(miles_earned) over last_28_days, 0),
        6
    ) as burn_rate
from days
window
    to_day as (partition by slice, slice_value order by day),
    last_28_days as (to_day rows between 27 preceding and current row);
