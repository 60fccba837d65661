-- warehouse.dim_users
-- Grain: one row per user (user_id).
-- Rerun: changed keys; recomputes the users of the change set, other users stay.
-- Why:   a user counts where the first event was. Only events of the first day are read.

delete from {{ this }}
{{ incremental }} where user_id in (
{{ incremental }}     select changed.user_id from {{ warehouse }}.changed_events as changed
{{ incremental }} )
;

insert into {{ this }} (user_id, first_seen_at, first_seen_date, country, first_utm_source)
with first_days as (
    select user_id, min(event_date) as event_date
    from {{ warehouse }}.agg_user_daily_engagement
    {{ incremental }} where user_id in (
    {{ incremental }}     select changed.user_id from {{ warehouse }}.changed_events as changed
    {{ incremental }} )
    group by user_id
)

select distinct on (user_id)
    user_id,
    event_time as first_seen_at,
    event_date as first_seen_date,
    country,
    utm_source as first_utm_source
from first_days
inner join {{ warehouse }}.engagements using (user_id, event_date)
order by user_id, event_time, event_id;
