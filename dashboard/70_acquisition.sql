-- Acquisition
-- Question: Which sources bring users who stay and earn?
-- Meaning:  A user belongs to the source of the first event. Range selects cohorts: the months that
--           overlap it. Activated: earned miles within a week of the first event. Week 1 and week
--           4: active in the first, or fourth, ISO week after the one of the first event. Each is a
--           share of the users for whom that time is over. Miles per user are those earned so far.
--           Cost is that of months that are over and whose cost is known, per user activated in
--           them. In the first month of the data everybody counts as new.
-- Base:     base
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

-- From the first of the last days on, and at least the last month that is over.
ranges as (
    select
        ranges.range,
        least(
            newest.day - ranges.days + 1,
            date_trunc('month', newest.day::timestamp) - interval '1 month'
        ) as first_day
    from (values ('30', 30), ('90', 90), ('all', 1000000)) as ranges (range, days)
    cross join newest
),

summed as (
    select
        ranges.range,
        acquisition.utm_source,
        sum(acquisition.new_users) as users,
        sum(acquisition.activation_eligible) as activation_eligible,
        sum(acquisition.activated_users) as activated_users,
        sum(acquisition.week_1_eligible) as week_1_eligible,
        sum(acquisition.week_1_retained) as week_1_retained,
        sum(acquisition.week_4_eligible) as week_4_eligible,
        sum(acquisition.week_4_retained) as week_4_retained,
        sum(acquisition.redeemers) as redeemers,
        sum(acquisition.miles_per_user * acquisition.new_users) as miles,
        sum(acquisition.cost) filter (where acquisition.activation_eligible = acquisition.new_users)
            as cost,
        sum(acquisition.activated_users) filter (
            where
                acquisition.cost is not null
                and acquisition.activation_eligible = acquisition.new_users
        ) as paid_activated_users
    from reporting.acquisition as acquisition
    inner join ranges on acquisition.cohort_start + interval '1 month' > ranges.first_day
    group by ranges.range, acquisition.utm_source
)

select
    summed.range,
    summed.utm_source,
    summed.users,
    round(summed.users / nullif(sum(summed.users) over (partition by summed.range), 0), 6) as share,
    round(summed.activated_users / nullif(summed.activation_eligible, 0), 6) as activated,
    round(summed.week_1_retained / nullif(summed.week_1_eligible, 0), 6) as week_1,
    round(summed.week_4_retained / nullif(summed.week_4_eligible, 0), 6) as week_4,
    round(summed.redeemers / nullif(summed.users, 0), 6) as redeemed,
    round(summed.miles / nullif(summed.users, 0), 2) as miles_per_user,
    round(summed.cost / nullif(summed.paid_activated_users, 0), 2) as cost_per_activated_user,
    summed.activation_eligible,
    summed.week_1_eligible,
    summed.week_4_eligible,
    -- Each rate stands on those whose time is over.
    least(
        summed.users,
        nullif(summed.activation_eligible, 0),
        nullif(summed.week_1_eligible, 0),
        nullif(summed.week_4_eligible, 0)
    ) as base
from summed
order by summed.range, summed.users desc, summed.utm_source collate "C";
