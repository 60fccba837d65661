-- Categories
-- Question: Which categories reach users, and which grow?
-- Meaning:  The last full day, week or month, as Grain says. Share is the part of the period's
--           active users that earned, redeemed or searched in the category; growth compares its
--           users with those of the period before.
-- Empty:    No event of a full day, week or month has a category yet.
-- Width:    half
-- Base:     base
-- Columns:
--     transaction_category: Category, name
--     users: Users, number
--     share_of_users: Share of users, percent, bar
--     growth: Growth, percent
--     miles_earned: Miles earned, number
--     miles_redeemed: Miles redeemed, number

-- A period is over, wherever on earth, when the sources were read 12 hours beyond it. Of a week or
-- month that no event has followed, growth is not known yet: the one before stands here, as it does
-- in What changed.
with newest as (
    select
        newest.grain,
        coalesce(
            max(newest.period_start) filter (where newest.is_complete and newest.grain <> 'day'),
            max(newest.period_start)
        ) as period_start
    from reporting.category_performance as newest
    where
        newest.is_complete
        or (
            select min(freshness.loaded_through) from reporting.freshness as freshness
        ) >= (newest.period_start + ('1 ' || newest.grain)::interval) at time zone 'UTC'
        + interval '12 hours'
    group by newest.grain
)

select
    performance.grain,
    performance.transaction_category,
    performance.users,
    performance.share_of_users,
    performance.growth,
    performance.miles_earned,
    performance.miles_redeemed,
    -- Miles stand on those who earned or redeemed them.
    least(performance.users, earned.users, redeemed.users) as base,
    case performance.grain
        when 'day' then to_char(performance.period_start, 'FMDD Mon YYYY')
        when 'week'
            then
                to_char(performance.period_start, 'FMDD Mon') || ' to '
                || to_char(performance.period_start + 6, 'FMDD Mon YYYY')
        else to_char(performance.period_start, 'Mon YYYY')
    end as as_of
from reporting.category_performance as performance
inner join newest using (grain, period_start)
left join reporting.miles_by_category as earned
    on
        earned.grain = performance.grain
        and earned.period_start = performance.period_start
        and earned.transaction_category = performance.transaction_category
        and earned.slice = 'all'
        and earned.direction = 'earned'
left join reporting.miles_by_category as redeemed
    on
        redeemed.grain = performance.grain
        and redeemed.period_start = performance.period_start
        and redeemed.transaction_category = performance.transaction_category
        and redeemed.slice = 'all'
        and redeemed.direction = 'redeemed'
order by
    performance.grain,
    performance.users desc,
    performance.transaction_category collate "C";
