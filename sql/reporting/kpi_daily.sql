-- reporting.kpi_daily
-- Grain: one row per day and slice value (day, slice, slice_value).
-- Rerun: whole; as many rows as days and slice values.
-- Why:   the headline numbers of a day in one row. Users come from active_users_daily, so that the
--        two can not disagree.

insert into {{ this }} (
    day,
    slice,
    slice_value,
    dau,
    dau_7d_average,
    wau,
    mau,
    stickiness,
    new_users,
    events,
    miles_earned,
    miles_redeemed,
    burn_rate
)
with days as (
    select
        users.day,
        users.slice,
        users.slice_value,
        users.dau,
        sum(users.dau) over last_7_days as dau_7d,
        count(*) over last_7_days as days_7d,
        users.wau,
        users.mau,
        users.stickiness,
        coalesce(activity.new_users, 0) as new_users,
        coalesce(engagement.events, 0) as events,
        coalesce(engagement.miles_earned, 0) as miles_earned,
        coalesce(engagement.miles_redeemed, 0) as miles_redeemed,
        sum(engagement.miles_earned) over last_28_days as miles_earned_28d,
        sum(engagement.miles_redeemed) over last_28_days as miles_redeemed_28d
    from {{ reporting }}.active_users_daily as users
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
    window
        last_7_days as (
            partition by users.slice, users.slice_value
            order by users.day
            rows between 6 preceding and current row
        ),
        last_28_days as (
            partition by users.slice, users.slice_value
            order by users.day
            rows between 27 preceding and current row
        )
)

select
    days.day,
    days.slice,
    days.slice_value,
    days.dau,
    round(days.dau_7d / days.days_7d, 6) as dau_7d_average,
    days.wau,
    days.mau,
    days.stickiness,
    days.new_users,
    days.events,
    days.miles_earned,
    days.miles_redeemed,
    round(days.miles_redeemed_28d / nullif(days.miles_earned_28d, 0), 6) as burn_rate
from days;
