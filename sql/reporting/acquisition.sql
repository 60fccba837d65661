-- reporting.acquisition
-- Grain: one row per source and month of the first event (utm_source, cohort_start).
-- Rerun: changed keys; computes all rows from warehouse.agg_acquisition_daily, and writes those
--        that differ.
-- Why:   what each source brings, and whether it is worth its cost. Rates leave out users whose
--        time is not over, and a month has a cost once it is over: what the source cost then.

with days as (
    select
        utm_source,
        {{ warehouse }}.month_start(first_day) as cohort_start,
        over_on <= last_day as is_over,
        {{ warehouse }}.week_start(first_day) + 14 <= last_day as is_week_1_over,
        {{ warehouse }}.week_start(first_day) + 35 <= last_day as is_week_4_over,
        users, activated_users, week_1_users, week_4_users, redeemers, miles_earned
    from {{ warehouse }}.agg_acquisition_daily
    cross join {{ warehouse }}.last_day
),

cohorts as (
    select
        utm_source, cohort_start,
        sum(users) as new_users,
        sum(users) filter (where is_over) as activation_eligible,
        sum(activated_users) filter (where is_over) as activated_users,
        sum(users) filter (where is_week_1_over) as week_1_eligible,
        sum(week_1_users) filter (where is_week_1_over) as week_1_retained,
        sum(users) filter (where is_week_4_over) as week_4_eligible,
        sum(week_4_users) filter (where is_week_4_over) as week_4_retained,
        sum(miles_earned) as miles_earned,
        sum(redeemers) as redeemers
    from days
    group by utm_source, cohort_start
),

-- A month with a cost and no user has a row too, but not a month in the future.
costs as (
    select
        utm_source,
        month as cohort_start,
        cost as dated_cost
    from {{ warehouse }}.agg_campaign_costs
    inner join {{ warehouse }}.last_day on month <= last_day
),

figures as (
    select
        utm_source, cohort_start,
        coalesce(new_users, 0) as new_users,
        coalesce(activation_eligible, 0) as activation_eligible,
        coalesce(activated_users, 0) as activated_users,
        coalesce(week_1_eligible, 0) as week_1_eligible,
        coalesce(week_1_retained, 0) as week_1_retained,
        coalesce(week_4_eligible, 0) as week_4_eligible,
        coalesce(week_4_retained, 0) as week_4_retained,
        miles_earned,
        coalesce(redeemers, 0) as redeemers,
        case when is_complete then given_cost end as cost,
        dated_cost is not null as is_dated,
        is_complete
    from cohorts
    full join costs using (utm_source, cohort_start)
    cross join {{ warehouse }}.last_day
    left join {{ warehouse }}.dim_utm_sources using (utm_source)
    left join (select distinct utm_source from {{ warehouse }}.agg_campaign_costs) as dated
        using (utm_source)
    cross join lateral (
        select
            {{ warehouse }}.next_period('month', cohort_start) <= last_day as is_complete,
            case when dated.utm_source is null then monthly_cost else dated_cost end as given_cost
    ) as months
),

computed as materialized (
    select
        utm_source, cohort_start, new_users, activation_eligible, activated_users,
        trim_scale(round(activated_users / nullif(activation_eligible, 0), 6)) as activation_rate,
        week_1_eligible, week_1_retained,
        trim_scale(round(week_1_retained / nullif(week_1_eligible, 0), 6)) as week_1_rate,
        week_4_eligible, week_4_retained,
        trim_scale(round(week_4_retained / nullif(week_4_eligible, 0), 6)) as week_4_rate,
        trim_scale(round(miles_earned / nullif(new_users, 0), 6)) as miles_per_user,
        redeemers,
        trim_scale(cost) as cost,
        case when cost is not null then is_dated end as cost_is_dated,
        trim_scale(round(cost / nullif(new_users, 0), 6)) as cost_per_new_user,
        case
            when activation_eligible = new_users
                then trim_scale(round(cost / nullif(activated_users, 0), 6))
        end as cost_per_activated_user,
        is_complete
    from figures
),

removed as (
    delete from {{ this }}
    where (utm_source, cohort_start) not in (select utm_source, cohort_start from computed)
)

insert into {{ this }} as report (
    utm_source, cohort_start, new_users, activation_eligible, activated_users, activation_rate,
    week_1_eligible, week_1_retained, week_1_rate, week_4_eligible, week_4_retained,
    week_4_rate, miles_per_user, redeemers, cost, cost_is_dated, cost_per_new_user,
    cost_per_activated_user, is_complete
)
select
    utm_source, cohort_start, new_users, activation_eligible, activated_users, activation_rate,
    week_1_eligible, week_1_retained, week_1_rate, week_4_eligible, week_4_retained,
    week_4_rate, miles_per_user, redeemers, cost, cost_is_dated, cost_per_new_user,
    cost_per_activated_user, is_complete
from computed
on conflict (utm_source, cohort_start) do update set
    new_users = excluded.new_users, activation_eligible = excluded.activation_eligible,
    activated_users = excluded.activated_users, activation_rate = excluded.activation_rate,
    week_1_eligible = excluded.week_1_eligible, week_1_retained = excluded.week_1_retained,
    week_1_rate = excluded.week_1_rate, week_4_eligible = excluded.week_4_eligible,
    week_4_retained = excluded.week_4_retained, week_4_rate = excluded.week_4_rate,
    miles_per_user = excluded.miles_per_user, redeemers = excluded.redeemers, cost = excluded.cost,
    cost_is_dated = excluded.cost_is_dated, cost_per_new_user = excluded.cost_per_new_user,
    cost_per_activated_user = excluded.cost_per_activated_user, is_complete = excluded.is_complete
where report is distinct from excluded;
