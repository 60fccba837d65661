-- warehouse.dim_event_types
-- Grain: one row per event type (event_type).
-- Rerun: whole; reads fact_unclassified_events in full, which is small when the source is clean.
-- Why:   which fact holds an event type and how deep an engagement it is; unknown types too.

insert into {{ this }} (
    event_type, fact_table, depth
)
select
    known.event_type, known.fact_table, known.depth
from (
    values
    ('like', 'fact_social_engagements', 1),
    ('share', 'fact_social_engagements', 2),
    ('reward_search', 'fact_reward_searches', 3),
    ('miles_earned', 'fact_miles_earned', 4),
    ('miles_redeemed', 'fact_miles_redeemed', 5)
) as known (event_type, fact_table, depth)
union all
select distinct
    events.event_type,
    'fact_unclassified_events' as fact_table,
    0 as depth
from {{ warehouse }}.fact_unclassified_events as events
inner join {{ warehouse }}.last_day on events.event_date <= last_day.last_day
where events.reason = 'unknown event type';
