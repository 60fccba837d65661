-- warehouse.dim_users
-- Grain: one row per user (user_id).
-- Rerun: changed keys; writes the changed users whose row differs, and deletes those who have no
--        event left that counts.
-- Why:   first touch and cohort of each user. Read from agg_user_daily, where the first and the
--        last row of a user are one index look-up away.

delete from {{ this }} as users
{{ incremental }} using {{ warehouse }}.changed_users as changed
{{ incremental }} left join {{ warehouse }}.agg_user_activity as activity
{{ incremental }}     on activity.user_id = changed.user_id and activity.slice = 'all'
{{ incremental }} where users.user_id = changed.user_id
{{ incremental }}     and activity.user_id is null
;

insert into {{ this }} as users (
    user_id,
    country, first_utm_source, first_platform,
    first_day, first_week, first_month, first_seen_at, last_seen_at
)
select
    active.user_id,
    newest.country,
    oldest.utm_source as first_utm_source,
    oldest.platform as first_platform,
    oldest.event_date as first_day,
    {{ warehouse }}.week_start(oldest.event_date) as first_week,
    {{ warehouse }}.month_start(oldest.event_date) as first_month,
    oldest.first_event_at as first_seen_at,
    newest.last_event_at as last_seen_at
from {{ warehouse }}.agg_user_activity as active
{{ incremental }} inner join {{ warehouse }}.changed_users using (user_id)
cross join lateral (
    select platform, utm_source, event_date, first_event_at
    from {{ warehouse }}.agg_user_daily as daily
    where daily.user_id = active.user_id
    order by event_date, first_event_at, first_event_id
    limit 1
) as oldest
cross join lateral (
    select country, last_event_at
    from {{ warehouse }}.agg_user_daily as daily
    where daily.user_id = active.user_id
    order by event_date desc, last_event_at desc, last_event_id desc
    limit 1
) as newest
where active.slice = 'all'
order by active.user_id
on conflict (user_id) do update set
    country = excluded.country, first_utm_source = excluded.first_utm_source,
    first_platform = excluded.first_platform, first_day = excluded.first_day,
    first_week = excluded.first_week, first_month = excluded.first_month,
    first_seen_at = excluded.first_seen_at, last_seen_at = excluded.last_seen_at
where users is distinct from excluded;
