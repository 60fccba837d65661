-- warehouse.agg_user_engagement
-- Grain: one row per user (user_id).
-- Rerun: changed keys; recomputes the users of the change set, other users stay.
-- Why:   growth, retention and acquisition count these rows.

delete from {{ this }}
{{ incremental }} where user_id in (
{{ incremental }}     select changed.user_id from {{ warehouse }}.changed_events as changed
{{ incremental }} )
;

insert into {{ this }} (
    user_id, country, first_utm_source, first_seen_at, first_active_date, last_active_date,
    active_days, events, miles_earned, miles_redeemed, reward_searches, shares, likes
)
with totals as (
    select
        user_id,
        min(event_date) as first_active_date,
        max(event_date) as last_active_date,
        count(*) as active_days,
        sum(events) as events,
        sum(miles_earned) as miles_earned,
        sum(miles_redeemed) as miles_redeemed,
        sum(reward_searches) as reward_searches,
        sum(shares) as shares,
        sum(likes) as likes
    from {{ warehouse }}.agg_user_daily_engagement
    {{ incremental }} where user_id in (
    {{ incremental }}     select changed.user_id from {{ warehouse }}.changed_events as changed
    {{ incremental }} )
    group by user_id
)

select
    user_id, country, first_utm_source, first_seen_at, first_active_date, last_active_date,
    active_days, events, miles_earned, miles_redeemed, reward_searches, shares, likes
from totals
inner join {{ warehouse }}.dim_users using (user_id);
