-- reporting.kpi_daily
-- Grain: one row per day and slice value (day, slice, slice_value).
-- Rerun: whole; as many rows as days and slice values.
-- Why:   the headline numbers of a day in one row. Users come from active_users_daily and miles
--        from miles_balance_daily, so that no two can disagree.

insert into {{ this }} (
    day, slice, slice_value, dau, dau_7d_average, wau, mau, stickiness, new_users, events,
    miles_earned, miles_redeemed, burn_rate
)
with days as (
    select
        users.day, users.slice, users.slice_value, users.dau,
        sum(users.dau) over last_7_days as dau_7d,
        count(*) over last_7_days as days_7d,
        users.wau, users.mau, users.stickiness,
        coalesce(activity.new_users, 0) as new_users,
        coalesce(engagement.events, 0) as events,
        balance.miles_earned, balance.miles_redeemed, balance.burn_rate
    from {{ reporting }}.active_users_daily as users
    inner join {{ reporting }}.miles_balance_daily as balance
        on
            balance.slice = users.slice
            and balance.slice_value = users.slice_value
            and balance.day = users.day
    left join {{ warehouse }}.agg_period_activity as activity
        on
            activity.slice = users.slice
            and activity.slice_value = users.slice_value
            and activity.grain = 'day'
            and activity.period_start = users.day
    left join {{ warehouse }}.agg_engagement_daily as engagement
        on
            engagement.slice = users.slice
            and engagement.slice_value = users.slice_value
            and engagement.event_date = users.day
    window last_7_days as (
        partition by users.slice, users.slice_value
        order by users.day
        rows between 6 preceding and current row
    )
)

select
    day, slice, slice_value, dau,
    round(dau_7d / days_7d, 6) as dau_7d_average,
    wau, mau, stickiness, new_users, events, miles_earned, miles_redeemed, burn_rate
from days;
