-- The affinities of users add up to the days of each category: two ways to the same events.

with lifetime as (
    select
        engagement.transaction_category,
        engagement.events,
        engagement.miles_earned,
        engagement.miles_redeemed
    from {{ warehouse }}.agg_category_engagement as engagement
),

days as (
    select
        daily.transaction_category,
        sum(daily.events) as events,
        sum(daily.miles_earned) as miles_earned,
        sum(daily.miles_redeemed) as miles_redeemed
    from {{ warehouse }}.agg_category_daily as daily
    group by daily.transaction_category
)

select
    transaction_category,
    lifetime.events,
    days.events as events_of_days,
    lifetime.miles_earned,
    days.miles_earned as miles_earned_of_days,
    lifetime.miles_redeemed,
    days.miles_redeemed as miles_redeemed_of_days
from lifetime
full join days using (transaction_category)
where
    lifetime.events is distinct from days.events
    or lifetime.miles_earned is distinct from days.miles_earned
    or lifetime.miles_redeemed is distinct from days.miles_redeemed
