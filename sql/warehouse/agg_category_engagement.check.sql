-- Two ways to the same events: the lifetime figures of a category, which come from its months,
-- equal the sums of its days.

with days as (
    select
        transaction_category,
        sum(events) as events,
        sum(miles_earned) as miles_earned,
        sum(miles_redeemed) as miles_redeemed
    from {{ warehouse }}.agg_category_daily
    group by transaction_category
)

select
    transaction_category, lifetime.events,
    days.events as events_of_days,
    lifetime.miles_earned,
    days.miles_earned as miles_earned_of_days,
    lifetime.miles_redeemed,
    days.miles_redeemed as miles_redeemed_of_days
from {{ warehouse }}.agg_category_engagement as lifetime
full join days using (transaction_category)
where
    lifetime.events is distinct from days.events
    or lifetime.miles_earned is distinct from days.miles_earned
    or lifetime.miles_redeemed is distinct from days.miles_redeemed
