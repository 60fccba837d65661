-- The cohorts of a month add up to its new users and to what these have done in all. Users who did
-- something are among those who are eligible. A running month has no cost yet, and a cost that was
-- given for a month is reported for it, whatever the source costs now.

with lifetimes as (
    select distinct on (cohort_start)
        cohort_start, cohort_size, miles_earned, redeemers
    from {{ reporting }}.cohort_value
    where slice = 'all'
    order by cohort_start, period_number desc
),

months as (
    select
        cohort_start,
        sum(new_users) as new_users,
        sum(redeemers) as redeemers,
        sum(miles_per_user * new_users) as miles_earned
    from {{ reporting }}.acquisition
    group by cohort_start
    having sum(new_users) > 0
)

select
    null as utm_source,
    cohort_start, months.new_users, months.redeemers, months.miles_earned,
    lifetimes.cohort_size as expected_users,
    lifetimes.redeemers as expected_redeemers,
    lifetimes.miles_earned as expected_miles,
    null as cost
from months
full join lifetimes using (cohort_start)
where
    (months.new_users, months.redeemers) is distinct from (cohort_size, lifetimes.redeemers)
    -- Miles per user have six digits.
    or abs(months.miles_earned - lifetimes.miles_earned) > 0.0000005 * months.new_users
union all
select
    utm_source, cohort_start, new_users, redeemers,
    null as miles_earned,
    null as expected_users,
    null as expected_redeemers,
    null as expected_miles,
    cost
from {{ reporting }}.acquisition
where
    activation_eligible > new_users
    or week_1_eligible > new_users
    or week_4_eligible > week_1_eligible
    or activated_users > activation_eligible
    or week_1_retained > week_1_eligible
    or week_4_retained > week_4_eligible
    or redeemers > new_users
    or new_users = 0 and (cost_is_dated is not true and is_complete)
    or cost is not null and not is_complete
    or (cost is null) <> (cost_is_dated is null)
    or cost_per_activated_user is not null and activation_eligible < new_users
union all
select
    costs.utm_source,
    month as cohort_start,
    null as new_users,
    null as redeemers,
    null as miles_earned,
    null as expected_users,
    null as expected_redeemers,
    null as expected_miles,
    costs.cost
from {{ warehouse }}.agg_campaign_costs as costs
inner join {{ warehouse }}.last_day on {{ warehouse }}.next_period('month', month) <= last_day
left join {{ reporting }}.acquisition as report
    on
        report.utm_source = costs.utm_source
        and cohort_start = month
        and cost_is_dated
where report.cost is distinct from costs.cost
