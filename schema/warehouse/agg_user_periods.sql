-- A view: the periods of agg_user_activity with their neighbours, for looking at a user.

create or replace view {{ warehouse }}.agg_user_periods as
select
    periods.user_id,
    periods.grain,
    periods.period_start,
    first_value(periods.period_start) over user_periods as first_period,
    lag(periods.period_start) over user_periods as previous_period,
    lead(periods.period_start) over user_periods as next_period
from (
    select distinct
        activity.user_id,
        grains.grain,
        date_trunc(grains.grain, days.active_day::timestamp)::date as period_start
    from {{ warehouse }}.agg_user_activity as activity
    cross join lateral unnest(activity.active_days) as days (active_day)
    cross join (values ('day'), ('week'), ('month')) as grains (grain)
    where activity.slice = 'all'
) as periods
window user_periods as (
    partition by periods.user_id, periods.grain
    order by periods.period_start
);

comment on view {{ warehouse }}.agg_user_periods is
'A period in which a user was active, with its neighbours. One row per user, grain and period.';
comment on column {{ warehouse }}.agg_user_periods.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_periods.grain is 'day, week (ISO) or month.';
comment on column {{ warehouse }}.agg_user_periods.period_start is 'First day of the period.';
comment on column {{ warehouse }}.agg_user_periods.first_period is
'The first period in which the user was active.';
comment on column {{ warehouse }}.agg_user_periods.previous_period is
'The active period before this one; null in the first.';
comment on column {{ warehouse }}.agg_user_periods.next_period is
'The active period after this one; null in the last so far.';
