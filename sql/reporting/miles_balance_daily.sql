-- reporting.miles_balance_daily
-- Grain: one row per day and slice value (day, slice, slice_value).
-- Rerun: changed keys; in each changed slice value, the days from the first change on.
-- Why:   miles that users hold are what the programme owes them. The burn rate says how fast they
--        are spent.

delete from {{ this }} as report
{{ incremental }} using {{ warehouse }}.changed_slices as changed
{{ incremental }} where report.slice = changed.slice
{{ incremental }}     and report.slice_value = changed.slice_value
{{ incremental }}     and day >= since
;

insert into {{ this }} (
    day, slice, slice_value, miles_earned, miles_redeemed, net_miles, outstanding_miles, burn_rate,
    is_complete
)
with engagement as (
    select
        slice, slice_value,
        event_date as day,
        miles_earned, miles_redeemed
    from {{ warehouse }}.agg_engagement_daily
    {{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
),

slices as (
    select
        slice, slice_value,
        min(day) as first_day
    from engagement
    group by slice, slice_value
),

-- With a row of zeros for each day, so that days without an event appear too.
days as (
    select
        day, slice, slice_value,
        sum(miles_earned) as miles_earned,
        sum(miles_redeemed) as miles_redeemed
    from (
        select day, slice, slice_value, miles_earned, miles_redeemed
        from engagement
        union all
        select
            calendar_date as day,
            slice, slice_value,
            0 as miles_earned,
            0 as miles_redeemed
        from slices
        inner join {{ warehouse }}.dim_dates on calendar_date >= first_day
    ) as entries
    group by day, slice, slice_value
)

select
    day, slice, slice_value,
    trim_scale(miles_earned) as miles_earned,
    trim_scale(miles_redeemed) as miles_redeemed,
    trim_scale(miles_earned - miles_redeemed) as net_miles,
    trim_scale(outstanding_miles) as outstanding_miles,
    trim_scale(burn_rate) as burn_rate,
    day < last_day as is_complete
from (
    select
        day, slice, slice_value, miles_earned, miles_redeemed,
        sum(miles_earned - miles_redeemed) over to_day as outstanding_miles,
        round(
            sum(miles_redeemed) over last_28_days
            / nullif(sum(miles_earned) over last_28_days, 0),
            6
        ) as burn_rate
    from days
    window
        to_day as (partition by slice, slice_value order by day),
        last_28_days as (to_day rows between 27 preceding and current row)
) as balance
cross join {{ warehouse }}.last_day
{{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
{{ incremental }} where day >= since
;
