-- A view: the list of each slice value, also where agg_user_activity has none because it equals
-- that of slice all.

create or replace view {{ warehouse }}.agg_user_active_days as
select
    activity.user_id,
    activity.slice,
    activity.slice_value,
    coalesce(activity.active_days, everybody.active_days) as active_days
from {{ warehouse }}.agg_user_activity as activity
inner join {{ warehouse }}.agg_user_activity as everybody
    on everybody.user_id = activity.user_id and everybody.slice = 'all';

comment on view {{ warehouse }}.agg_user_active_days is
'On which days a user was active, per slice. One row per user and slice value.';
comment on column {{ warehouse }}.agg_user_active_days.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_active_days.slice is
'all, country, platform or utm_source.';
comment on column {{ warehouse }}.agg_user_active_days.slice_value is 'Member of the slice.';
comment on column {{ warehouse }}.agg_user_active_days.active_days is
'Distinct days with an event that counts, in order.';
