-- warehouse.agg_user_daily_engagement
-- Grain: one row per user and day (user_id, event_date).
-- Rerun: changed keys; recomputes the days of users in the change set, other rows stay.
-- Why:   what all figures of users add up.

delete from {{ this }} as daily
{{ incremental }} using {{ warehouse }}.changed_events as changed
{{ incremental }} where
{{ incremental }}     daily.user_id = changed.user_id
{{ incremental }}     and daily.event_date = changed.event_date
;

insert into {{ this }} (
    event_date, user_id, events, miles_earned, miles_redeemed, reward_searches, shares, likes
)
select
    event_date,
    user_id,
    count(*) as events,
    coalesce(sum(earned), 0) as miles_earned,
    coalesce(sum(redeemed), 0) as miles_redeemed,
    count(*) filter (where event_type = 'reward_search') as reward_searches,
    count(*) filter (where event_type = 'share') as shares,
    count(*) filter (where event_type = 'like') as likes
from {{ warehouse }}.engagements
{{ incremental }} inner join (
{{ incremental }}     select distinct user_id, event_date from {{ warehouse }}.changed_events
{{ incremental }} ) as changed using (user_id, event_date)
group by event_date, user_id;
