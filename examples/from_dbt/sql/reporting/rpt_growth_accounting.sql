-- reporting.rpt_growth_accounting
-- Grain: one row per day, week or month (grain, period_start).
-- Rerun: whole; a few hundred rows.
-- Why:   whether more users come and come back than leave. A user has left in the first period
--        without an event.

insert into {{ this }} (
    grain, period_start, active_users, new_users, retained_users, resurrected_users, churned_users
)
with periods as (
    select distinct
        grain,
        date_trunc(grain, date_day::timestamp)::date as period_start,
        (date_trunc(grain, date_day::timestamp) - ('1 ' || grain)::interval)::date as former_start
    from {{ warehouse }}.dim_dates
    cross join (values ('day'), ('week'), ('month')) as grains (grain)
),

new as (
    select
        grain,
        date_trunc(grain, first_active_date::timestamp)::date as period_start,
        count(*) as users
    from {{ warehouse }}.agg_user_engagement
    cross join (values ('day'), ('week'), ('month')) as grains (grain)
    group by 1, 2
),

counts as (
    select
        periods.grain,
        periods.period_start,
        coalesce(active.active_users, 0) as active_users,
        coalesce(new.users, 0) as new_users,
        coalesce(active.retained_users, 0) as retained_users,
        coalesce(former.active_users, 0) as former_users
    from periods
    left join {{ warehouse }}.agg_periods as active
        on active.grain = periods.grain and active.period_start = periods.period_start
    left join new
        on new.grain = periods.grain and new.period_start = periods.period_start
    left join {{ warehouse }}.agg_periods as former
        on former.grain = periods.grain and former.period_start = periods.former_start
)

select
    grain,
    period_start,
    active_users,
    new_users,
    retained_users,
    active_users - new_users - retained_users as resurrected_users,
    former_users - retained_users as churned_users
from counts;
