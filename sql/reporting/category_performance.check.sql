-- A category has no more users than the period, and no more users than events. In each grain the
-- categories add up to all transactions, searches and miles.

with reported as (
    select
        grain,
        sum(events) as events,
        sum(miles_earned) as miles_earned,
        sum(miles_redeemed) as miles_redeemed
    from {{ reporting }}.category_performance
    group by grain
),

stored as (
    select
        grain,
        sum(earned_count + redeemed_count + search_count) as events,
        sum(miles_earned) as miles_earned,
        sum(miles_redeemed) as miles_redeemed
    from {{ warehouse }}.agg_engagement_daily
    cross join (values ('day'), ('week'), ('month')) as grains (grain)
    where slice = 'all'
    group by grain
)

select
    grain, period_start, transaction_category, users, events, share_of_users
from {{ reporting }}.category_performance
where
    users not between 1 and events
    or share_of_users > 1
    or growth < -1
union all
select
    grain,
    null as period_start,
    null as transaction_category,
    null as users,
    reported.events,
    null as share_of_users
from stored
left join reported using (grain)
where
    coalesce(reported.events, 0) <> stored.events
    or coalesce(reported.miles_earned, 0) <> stored.miles_earned
    or coalesce(reported.miles_redeemed, 0) <> stored.miles_redeemed
