-- reporting.kpi_daily
-- Grain: one row per day and slice value (day, slice, slice_value).
-- Rerun: whole; as many rows as days and slice values.
-- Why:   the headline numbers of a day in one row. Users come from active_users_daily and miles
--        from miles_balance_daily, so that no two reports can disagree.

insert into {{ this }} (
    day, slice, slice_value, dau, dau_7d_average, wau, mau, stickiness, new_users, events,
    miles_earned, miles_redeemed, burn_rate, is_complete
)
with days as (
    select
        day, slice, slice_value, dau,
        sum(dau) over last_7_days as dau_7d,
        count(*) over last_7_days as days_7d,
        wau, mau, stickiness,
        coalesce(new_users, 0) as new_users,
        coalesce(events, 0) as events,
        balance.miles_earned, balance.miles_redeemed, burn_rate,
        users.is_complete
    from {{ reporting }}.active_users_daily as users
    inner join {{ reporting }}.miles_balance_daily as balance using (day, slice, slice_value)
    left join (
        select
            period_start as day,
            slice, slice_value, new_users
        from {{ warehouse }}.agg_period_activity
        where grain = 'day'
    ) as activity using (day, slice, slice_value)
    left join (
        select
            event_date as day,
            slice, slice_value, events
        from {{ warehouse }}.agg_engagement_daily
    ) as engagement using (day, slice, slice_value)
    window last_7_days as (
        partition by slice, slice_value order by day rows between 6 preceding and current row
    )
)

select
    day, slice, slice_value, dau,
    trim_scale(round(dau_7d / days_7d, 6)) as dau_7d_average,
    wau, mau, stickiness, new_users, events, miles_earned, miles_redeemed, burn_rate, is_complete
from days;
