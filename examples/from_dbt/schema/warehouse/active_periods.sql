create or replace view {{ warehouse }}.active_periods as
select 'day' as grain, event_date as period_start, user_id
from {{ warehouse }}.agg_user_daily_engagement
union all
select grain, period_start, user_id
from {{ warehouse }}.agg_user_periods;

comment on view {{ warehouse }}.active_periods is
'Days, weeks and months in which a user was active. One row per grain, period and user.';
