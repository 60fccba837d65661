-- warehouse.agg_category_daily
-- Grain: one row per category and day with an event (transaction_category, event_date).
-- Rerun: whole; as many rows as categories and days.
-- Why:   what is popular, and whether it is rising.

insert into {{ this }} (
    transaction_category,
    event_date,
    users,
    events,
    miles_earned,
    miles_redeemed,
    share_of_events,
    trend_7d
)
with days as (
    select
        categories.transaction_category,
        categories.period_start as event_date,
        categories.users,
        categories.events,
        categories.miles_earned,
        categories.miles_redeemed,
        sum(categories.events) over (partition by categories.period_start) as events_of_day,
        sum(categories.events) over (
            partition by categories.transaction_category
            order by categories.period_start
            range between interval '6 days' preceding and current row
        ) as events_7d,
        sum(categories.events) over (
            partition by categories.transaction_category
            order by categories.period_start
            range between interval '13 days' preceding and interval '7 days' preceding
        ) as events_7d_before
    from {{ warehouse }}.agg_category_periods as categories
    where categories.slice = 'all' and categories.grain = 'day'
)

select
    days.transaction_category,
    days.event_date,
    days.users,
    days.events,
    days.miles_earned,
    days.miles_redeemed,
    round(days.events::numeric / days.events_of_day, 6) as share_of_events,
    round(days.events_7d / nullif(days.events_7d_before, 0) - 1, 6) as trend_7d
from days;
