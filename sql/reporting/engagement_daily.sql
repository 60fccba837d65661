-- reporting.engagement_daily
-- Grain: one row per day, event type and slice value with an event
--        (day, event_type, slice, slice_value).
-- Rerun: whole; as many rows as days, types and slice values. Unknown types are counted from
--        fact_unclassified_events in full, which is small where the source is well. Here alone are
--        types that are not activity.
-- Why:   what users do, from the lightest engagement to the deepest.

insert into {{ this }} (
    day, event_type, depth, slice, slice_value, events, users
)
select
    engagement.event_date as day,
    counts.event_type, types.depth, engagement.slice, engagement.slice_value, counts.events,
    counts.users
from {{ warehouse }}.agg_engagement_daily as engagement
cross join lateral (
    values
    ('miles_earned', engagement.earned_count, engagement.earning_users),
    ('miles_redeemed', engagement.redeemed_count, engagement.redeeming_users),
    ('reward_search', engagement.search_count, engagement.searching_users),
    ('share', engagement.share_count, engagement.sharing_users),
    ('like', engagement.like_count, engagement.liking_users)
) as counts (event_type, events, users)
inner join {{ warehouse }}.dim_event_types as types on types.event_type = counts.event_type
where counts.events > 0
union all
select
    events.event_date as day,
    events.event_type, types.depth, slices.slice, slices.slice_value,
    count(*) as events,
    count(distinct events.user_id) as users
from {{ warehouse }}.fact_unclassified_events as events
inner join {{ warehouse }}.last_day on events.event_date <= last_day.last_day
inner join {{ warehouse }}.dim_event_types as types on types.event_type = events.event_type
cross join lateral {{ warehouse }}.slices('all', country, platform, utm_source) as slices
where events.reason = 'unknown event type'
group by
    events.event_date, events.event_type, types.depth, slices.slice, slices.slice_value;
