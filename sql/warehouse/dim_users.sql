-- warehouse.dim_users
-- Grain: one row per user (user_id).
-- Rerun: changed keys; replaces the changed users, a user without an event that counts is gone.
-- Why:   first touch and cohort of each user. Read from agg_user_daily, where the first and the
--        last row of a user are one index step away.

delete from {{ this }} as users
{{ incremental }} using {{ warehouse }}.changed_users as changed
{{ incremental }} where users.user_id = changed.user_id
;

insert into {{ this }} (
    user_id,
    country,
    first_utm_source,
    first_platform,
    first_day,
    first_week,
    first_month,
    first_seen_at,
    last_seen_at
)
with users as (
    select distinct daily.user_id
    from {{ warehouse }}.agg_user_daily as daily
    {{ incremental }} inner join {{ warehouse }}.changed_users as changed
    {{ incremental }}     on changed.user_id = daily.user_id
)

select
    users.user_id,
    newest.country,
    oldest.utm_source as first_utm_source,
    oldest.platform as first_platform,
    oldest.event_date as first_day,
    date_trunc('week', oldest.event_date::timestamp)::date as first_week,
    date_trunc('month', oldest.event_date::timestamp)::date as first_month,
    oldest.first_event_at as first_seen_at,
    newest.last_event_at as last_seen_at
from users
cross join lateral (
    select
        daily.platform,
        daily.utm_source,
        daily.event_date,
        daily.first_event_at
    from {{ warehouse }}.agg_user_daily as daily
    where daily.user_id = users.user_id
    order by daily.event_date, daily.first_event_at, daily.first_event_id
    limit 1
) as oldest
cross join lateral (
    select
        daily.country,
        daily.last_event_at
    from {{ warehouse }}.agg_user_daily as daily
    where daily.user_id = users.user_id
    order by daily.event_date desc, daily.last_event_at desc, daily.last_event_id desc
    limit 1
) as newest
order by users.user_id;
