-- reporting.acquisition
-- Grain: one row per source and month of the first event (utm_source, cohort_start).
-- Rerun: whole; linear in users.
-- Why:   what each source brings, and whether it is worth what it costs. A week counts only when it
--        is over for every user of the cohort.

insert into {{ this }} (
    utm_source, cohort_start, new_users, activated_users, week_1_retained, week_4_retained,
    miles_per_user, redeemers, cost, cost_per_activated_user
)
with data as (
    select max(calendar_date) as last_day
    from {{ warehouse }}.dim_dates
),

-- Who was there a week and four weeks after the first one: more days are in the list by the end of
-- that week than before it.
weeks as (
    select
        users.user_id,
        width_bucket(users.first_week + 13, activity.active_days)
        > width_bucket(users.first_week + 6, activity.active_days) as is_week_1,
        width_bucket(users.first_week + 34, activity.active_days)
        > width_bucket(users.first_week + 27, activity.active_days) as is_week_4
    from {{ warehouse }}.dim_users as users
    inner join {{ warehouse }}.agg_user_activity as activity
        on activity.user_id = users.user_id and activity.slice = 'all'
),

cohorts as (
    select
        users.first_utm_source as utm_source,
        users.first_month as cohort_start,
        max(users.first_week) as last_first_week,
        count(*) as new_users,
        count(*) filter (
            where engagement.first_earned_at <= users.first_seen_at + interval '168 hours'
        ) as activated_users,
        count(*) filter (where weeks.is_week_1) as week_1_retained,
        count(*) filter (where weeks.is_week_4) as week_4_retained,
        sum(engagement.miles_earned_lifetime) as miles_earned,
        count(*) filter (where engagement.redeemed_count_lifetime > 0) as redeemers
    from {{ warehouse }}.dim_users as users
    inner join {{ warehouse }}.agg_user_engagement as engagement
        on engagement.user_id = users.user_id
    inner join weeks on weeks.user_id = users.user_id
    group by users.first_utm_source, users.first_month
)

select
    cohorts.utm_source, cohorts.cohort_start, cohorts.new_users, cohorts.activated_users,
    case
        when cohorts.last_first_week + 13 < data.last_day then cohorts.week_1_retained
    end as week_1_retained,
    case
        when cohorts.last_first_week + 34 < data.last_day then cohorts.week_4_retained
    end as week_4_retained,
    round(cohorts.miles_earned / cohorts.new_users, 6) as miles_per_user,
    cohorts.redeemers,
    sources.monthly_cost as cost,
    round(sources.monthly_cost / nullif(cohorts.activated_users, 0), 6) as cost_per_activated_user
from cohorts
cross join data
left join {{ warehouse }}.dim_utm_sources as sources on sources.utm_source = cohorts.utm_source;
