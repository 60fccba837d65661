-- warehouse.agg_category_engagement
-- Grain: one row per category (transaction_category).
-- Rerun: whole; as many rows as categories. Reads counts of days and months, and no users.
-- Why:   how large a category is, and whether it is growing.

insert into {{ this }} (
    transaction_category, users, events, earned_count, redeemed_count, search_count, miles_earned,
    miles_redeemed, share_of_events, events_28d, events_28d_before, trend_28d, first_event_date,
    last_event_date
)
with users as (
    select
        transaction_category,
        sum(users) as users
    from {{ warehouse }}.agg_category_usage
    group by transaction_category
),

lifetime as (
    select
        transaction_category,
        sum(events) as events, sum(earned_count) as earned_count,
        sum(redeemed_count) as redeemed_count, sum(search_count) as search_count,
        sum(miles_earned) as miles_earned, sum(miles_redeemed) as miles_redeemed
    from {{ warehouse }}.agg_category_periods
    where grain = 'month' and slice = 'all'
    group by transaction_category
),

data as (
    select max(calendar_date) as last_day
    from {{ warehouse }}.dim_dates
),

windows as (
    select
        transaction_category,
        min(event_date) as first_event_date,
        max(event_date) as last_event_date,
        coalesce(sum(events) filter (where event_date > last_day - 28), 0) as events_28d,
        coalesce(
            sum(events) filter (where event_date between last_day - 55 and last_day - 28), 0
        ) as events_28d_before
    from {{ warehouse }}.agg_category_daily
    cross join data
    group by transaction_category
)

select
    transaction_category, users, events, earned_count, redeemed_count, search_count,
    miles_earned, miles_redeemed,
    round(events / sum(events) over (), 6) as share_of_events,
    events_28d, events_28d_before,
    round(events_28d / nullif(events_28d_before, 0) - 1, 6) as trend_28d,
    first_event_date, last_event_date
from users
inner join lifetime using (transaction_category)
inner join windows using (transaction_category);
