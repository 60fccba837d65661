-- Categories
-- Question: Which categories reach users, and which grow?
-- Meaning:  Of the last full day, week or month, after Grain. Share is the part of the period's
--           active users that earned, redeemed or searched in the category; growth compares its
--           users with those of the period before.
-- Width:    half
-- Columns:
--     transaction_category: Category, text
--     users: Users, number
--     share_of_users: Share of users, percent, bar
--     growth: Growth, percent
--     miles_earned: Earned, number
--     miles_redeemed: Redeemed, number

select
    performance.grain,
    performance.transaction_category,
    performance.users,
    performance.share_of_users,
    performance.growth,
    performance.miles_earned,
    performance.miles_redeemed
from reporting.category_performance as performance
where performance.period_start = (
    select max(newest.period_start)
    from reporting.category_performance as newest
    where newest.grain = performance.grain and newest.is_complete
)
order by
    performance.grain,
    performance.users desc,
    performance.transaction_category collate "C";
