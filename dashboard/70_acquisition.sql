-- Acquisition
-- Question: Which sources bring users who stay and earn?
-- Meaning:  A user belongs to the source of the first event. Range chooses cohorts: the months that
--           reach into it. Activated: earned miles within a week of the first event. Week 1 and
--           week 4: active in that ISO week after the first, of the cohorts for which it is over.
--           Miles per user are those earned so far. Cost is what the source costs a month, as long
--           as its cohorts last, over the activated users.
-- Base:     users
-- Columns:
--     utm_source: Source, name
--     users: Users, number, bar
--     share: Share, percent
--     activated: Activated, percent, bar
--     week_1: Week 1, percent, bar
--     week_4: Week 4, percent, bar
--     redeemed: Ever redeemed, percent, bar
--     miles_per_user: Miles per user, number, bar
--     cost_per_activated_user: Cost per activated, money

with newest as (
    select max(kpi.day) as day
    from reporting.kpi_daily as kpi
),

ranges as (
    select
        ranges.range,
        newest.day - ranges.days as after
    from (values ('30', 30), ('90', 90), ('all', 1000000)) as ranges (range, days)
    cross join newest
),

summed as (
    select
        ranges.range,
        acquisition.utm_source,
        sum(acquisition.new_users) as users,
        sum(acquisition.activated_users) as activated_users,
        sum(acquisition.week_1_retained) as week_1_retained,
        sum(acquisition.new_users) filter (where acquisition.week_1_retained is not null)
            as week_1_users,
        sum(acquisition.week_4_retained) as week_4_retained,
        sum(acquisition.new_users) filter (where acquisition.week_4_retained is not null)
            as week_4_users,
        sum(acquisition.redeemers) as redeemers,
        sum(acquisition.miles_per_user * acquisition.new_users) as miles,
        sum(acquisition.cost) as cost
    from reporting.acquisition as acquisition
    inner join ranges on acquisition.cohort_start + interval '1 month' > ranges.after
    group by ranges.range, acquisition.utm_source
)

select
    summed.range,
    summed.utm_source,
    summed.users,
    round(summed.users / sum(summed.users) over (partition by summed.range), 6) as share,
    round(summed.activated_users / summed.users, 6) as activated,
    round(summed.week_1_retained / summed.week_1_users, 6) as week_1,
    round(summed.week_4_retained / summed.week_4_users, 6) as week_4,
    round(summed.redeemers / summed.users, 6) as redeemed,
    round(summed.miles / summed.users, 2) as miles_per_user,
    round(summed.cost / nullif(summed.activated_users, 0), 2) as cost_per_activated_user
from summed
order by summed.range, summed.users desc, summed.utm_source collate "C";
