-- reporting.acquisition
-- Grain: one row per source and month of the first event (utm_source, cohort_start).
-- Rerun: changed keys; the cohorts of changed users, those that have lost or won some, and those
--        of which a week is over by now or the cost is another one.
-- Why:   what each source brings, and whether it is worth what it costs. A week counts only when it
--        is over for every user of the cohort.

with data as (
    select max(calendar_date) as last_day
    from {{ warehouse }}.dim_dates
),

sizes as (
    select
        first_utm_source as utm_source,
        first_month as cohort_start,
        monthly_cost as cost,
        count(*) as new_users,
        max(first_week) + 13 < last_day as is_week_1_over,
        max(first_week) + 34 < last_day as is_week_4_over
    from {{ warehouse }}.dim_users
    cross join data
    left join {{ warehouse }}.dim_utm_sources on utm_source = first_utm_source
    group by first_utm_source, first_month, monthly_cost, last_day
),

due as materialized (
    select utm_source, cohort_start
    from sizes
    full join {{ this }} as report using (utm_source, cohort_start)
    where
        (report.new_users, report.cost) is distinct from (sizes.new_users, sizes.cost)
        or is_week_1_over <> (week_1_retained is not null)
        or is_week_4_over <> (week_4_retained is not null)
    union
    select first_utm_source as utm_source, first_month as cohort_start
    from {{ warehouse }}.dim_users
    inner join {{ warehouse }}.changed_users using (user_id)
),

gone as (
    delete from {{ this }}
    where (utm_source, cohort_start) in (select utm_source, cohort_start from due)
    returning cohort_start
),

-- Who was there a week and four weeks after the first one: more days are in the list by the end of
-- that week than before it.
users as (
    select
        first_utm_source as utm_source,
        first_month as cohort_start,
        first_earned_at <= first_seen_at + interval '168 hours' as is_activated,
        width_bucket(first_week + 13, active_days)
        > width_bucket(first_week + 6, active_days) as is_there_in_week_1,
        width_bucket(first_week + 34, active_days)
        > width_bucket(first_week + 27, active_days) as is_there_in_week_4,
        miles_earned_lifetime,
        redeemed_count_lifetime
    from {{ warehouse }}.dim_users
    inner join {{ warehouse }}.agg_user_engagement using (user_id)
    inner join {{ warehouse }}.agg_user_activity using (user_id)
    where
        slice = 'all'
        and (first_utm_source, first_month) in (select utm_source, cohort_start from due)
),

cohorts as (
    select
        utm_source, cohort_start,
        count(*) filter (where is_activated) as activated_users,
        count(*) filter (where is_there_in_week_1) as week_1_retained,
        count(*) filter (where is_there_in_week_4) as week_4_retained,
        sum(miles_earned_lifetime) as miles_earned,
        count(*) filter (where redeemed_count_lifetime > 0) as redeemers
    from users
    group by utm_source, cohort_start
)

insert into {{ this }} (
    utm_source, cohort_start, new_users, activated_users, week_1_retained, week_4_retained,
    miles_per_user, redeemers, cost, cost_per_activated_user
)
select
    utm_source, cohort_start, new_users, activated_users,
    case when is_week_1_over then week_1_retained end as week_1_retained,
    case when is_week_4_over then week_4_retained end as week_4_retained,
    round(miles_earned / new_users, 6) as miles_per_user,
    redeemers, cost,
    round(cost / nullif(activated_users, 0), 6) as cost_per_activated_user
from cohorts
inner join sizes using (utm_source, cohort_start)
-- The old rows must be out before the new ones go in: counting them makes it so.
where (select count(*) from gone) >= 0;
