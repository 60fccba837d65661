-- reporting.rpt_retention_cohorts
-- Grain: one row per week of the first event and week after it (cohort_week, week_number).
-- Rerun: whole; a row for each pair of weeks.
-- Why:   whether users stay, and whether newer ones do so more than older ones.

insert into {{ this }} (cohort_week, week_number, cohort_users, active_users, retention_rate)
with activity as (
    select
        date_trunc('week', users.first_active_date::timestamp)::date as cohort_week,
        active.period_start as week_start,
        count(*) as active_users
    from {{ warehouse }}.active_periods as active
    inner join {{ warehouse }}.agg_user_engagement as users using (user_id)
    where active.grain = 'week'
    group by 1, 2
),

-- A week in which nobody of a cohort was active has a row too.
pairs as (
    select
        cohorts.cohort_week,
        weeks.week_start,
        (weeks.week_start - cohorts.cohort_week) / 7 as week_number,
        cohorts.active_users as cohort_users
    from activity as cohorts
    inner join (select distinct week_start from {{ warehouse }}.dim_dates) as weeks
        on weeks.week_start >= cohorts.cohort_week
    where cohorts.cohort_week = cohorts.week_start
)

select
    cohort_week,
    pairs.week_number,
    pairs.cohort_users,
    coalesce(activity.active_users, 0) as active_users,
    round(coalesce(activity.active_users, 0)::numeric / pairs.cohort_users, 4) as retention_rate
from pairs
left join activity using (cohort_week, week_start);
