-- warehouse.agg_category_engagement
-- Grain: one row per category (transaction_category).
-- Rerun: whole; users are counted once each, so their categories are looked at, never their days.
-- Why:   how large a category is, and whether it is growing.

insert into {{ this }} (
    transaction_category, users, events, earned_count, redeemed_count, search_count, miles_earned,
    miles_redeemed, share_of_events, events_28d, events_28d_before, trend_28d, first_event_date,
    last_event_date
)
with lifetime as (
    select
        transaction_category,
        count(*) as users,
        sum(events) as events,
        sum(earned_count) as earned_count,
        sum(redeemed_count) as redeemed_count,
        sum(search_count) as search_count,
        sum(miles_earned) as miles_earned,
        sum(miles_redeemed) as miles_redeemed,
        min(first_event_date) as first_event_date,
        max(last_event_date) as last_event_date
    from {{ warehouse }}.agg_user_categories
    group by transaction_category
),

data as (
    select max(calendar_date) as last_day
    from {{ warehouse }}.dim_dates
),

windows as (
    select
        daily.transaction_category,
        coalesce(
            sum(daily.events) filter (where daily.event_date > data.last_day - 28), 0
        ) as events_28d,
        coalesce(
            sum(daily.events) filter (where daily.event_date <= data.last_day - 28), 0
        ) as events_28d_before
    from {{ warehouse }}.agg_category_daily as daily
    cross join data
    where daily.event_date > data.last_day - 56
    group by daily.transaction_category
)

select
    lifetime.transaction_category, lifetime.users, lifetime.events, lifetime.earned_count,
    lifetime.redeemed_count, lifetime.search_count, lifetime.miles_earned, lifetime.miles_redeemed,
    round(lifetime.events / sum(lifetime.events) over (), 6) as share_of_events,
    coalesce(windows.events_28d, 0) as events_28d,
    coalesce(windows.events_28d_before, 0) as events_28d_before,
    round(windows.events_28d / nullif(windows.events_28d_before, 0) - 1, 6) as trend_28d,
    lifetime.first_event_date, lifetime.last_event_date
from lifetime
left join windows on windows.transaction_category = lifetime.transaction_category;
