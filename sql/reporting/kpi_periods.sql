-- reporting.kpi_periods
-- Grain: one row per grain, period and slice value (grain, period_start, slice, slice_value).
-- Rerun: changed keys; in each changed slice value, the periods from the first change on.
-- Why:   the totals that people ask for, in one row. Users come from growth_accounting, so that no
--        two reports can disagree. A change compares two whole periods: not one that runs, and not
--        one that is partial because the data begin in it.

delete from {{ this }} as report
{{ incremental }} using {{ warehouse }}.changed_slices as changed
{{ incremental }} where report.slice = changed.slice
{{ incremental }}     and report.slice_value = changed.slice_value
{{ incremental }}     and {{ warehouse }}.next_period(grain, period_start) > since
;

insert into {{ this }} (
    grain, period_start, slice, slice_value, active_users, new_users, events,
    events_per_active_user, miles_earned, miles_redeemed, net_miles, outstanding_miles,
    earning_users, redeeming_users, miles_per_active_user, redemption_rate, active_change,
    new_change, earned_change, redeemed_change, is_complete
)
-- With the period before the first change, to compare with: it begins at most a month earlier.
with days as (
    select
        grain, period_start, slice, slice_value,
        sum(events) as events, sum(miles_earned) as miles_earned,
        sum(miles_redeemed) as miles_redeemed, sum(earning_users) as earning_users,
        sum(redeeming_users) as redeeming_users
    from {{ warehouse }}.agg_engagement_daily
    {{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
    cross join lateral {{ warehouse }}.periods(event_date)
    {{ incremental }} where event_date >= {{ warehouse }}.month_start(since - 31)
    group by grain, period_start, slice, slice_value
),

-- Distinct users of days cannot be added up.
users as (
    select
        grain, period_start, slice, slice_value,
        sum(earning_users) as earning_users,
        sum(redeeming_users) as redeeming_users
    from {{ warehouse }}.agg_slice_periods
    {{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
    where
        active_days = 0
        {{ incremental }} and period_start >= {{ warehouse }}.month_start(since - 31)
    group by grain, period_start, slice, slice_value
),

totals as (
    select
        grain, period_start, slice, slice_value, active_users, new_users,
        growth.is_complete,
        coalesce(events, 0) as events,
        coalesce(days.miles_earned, 0) as miles_earned,
        coalesce(days.miles_redeemed, 0) as miles_redeemed,
        outstanding_miles,
        coalesce(case grain when 'day' then days.earning_users else users.earning_users end, 0)
            as earning_users,
        coalesce(case grain when 'day' then days.redeeming_users else users.redeeming_users end, 0)
            as redeeming_users
    from {{ reporting }}.growth_accounting as growth
    {{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
    cross join {{ warehouse }}.last_day
    left join days using (grain, period_start, slice, slice_value)
    left join users using (grain, period_start, slice, slice_value)
    cross join lateral (
        select least({{ warehouse }}.next_period(grain, period_start) - 1, last_day) as day
    ) as ends
    left join {{ reporting }}.miles_balance_daily using (day, slice, slice_value)
    {{ incremental }} where period_start >= {{ warehouse }}.month_start(since - 31)
),

-- Each period with the figures of the one before, where the two can be compared.
pairs as (
    select
        totals.*,
        case when is_comparable then lag(active_users) over to_period end as active_before,
        case when is_comparable then lag(new_users) over to_period end as new_before,
        case when is_comparable then lag(miles_earned) over to_period end as earned_before,
        case when is_comparable then lag(miles_redeemed) over to_period end as redeemed_before
    from totals
    cross join (select min(calendar_date) as first_day from {{ warehouse }}.dim_dates) as data
    cross join lateral (
        select
            is_complete
            and {{ warehouse }}.previous_period(grain, period_start) >= first_day as is_comparable
    ) as comparisons
    window to_period as (partition by grain, slice, slice_value order by period_start)
)

select
    grain, period_start, slice, slice_value, active_users, new_users, events,
    trim_scale(round(events / nullif(active_users, 0), 6)) as events_per_active_user,
    trim_scale(miles_earned) as miles_earned,
    trim_scale(miles_redeemed) as miles_redeemed,
    trim_scale(miles_earned - miles_redeemed) as net_miles,
    outstanding_miles, earning_users, redeeming_users,
    trim_scale(round(miles_earned / nullif(active_users, 0), 6)) as miles_per_active_user,
    trim_scale(round(miles_redeemed / nullif(miles_earned, 0), 6)) as redemption_rate,
    trim_scale(round((active_users - active_before)::numeric / nullif(active_before, 0), 6))
        as active_change,
    trim_scale(round((new_users - new_before)::numeric / nullif(new_before, 0), 6))
        as new_change,
    trim_scale(round((miles_earned - earned_before) / nullif(earned_before, 0), 6))
        as earned_change,
    trim_scale(round((miles_redeemed - redeemed_before) / nullif(redeemed_before, 0), 6))
        as redeemed_change,
    is_complete
from pairs
{{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
{{ incremental }} where {{ warehouse }}.next_period(grain, period_start) > since
;
