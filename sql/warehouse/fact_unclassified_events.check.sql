-- Every raw row is in exactly one fact, under the user and the day it has now, and no fact holds
-- anything else. An incremental build looks at the places of the change set, a full one everywhere.

with expected as (
    select
        events.user_id, events.event_date, events.event_id, events.fact_table
    from {{ warehouse }}.classified_events as events
    {{ incremental }} inner join {{ warehouse }}.changed_events as changed
    {{ incremental }}     on changed.event_id = events.event_id
    {{ incremental }}     and changed.event_date = events.event_date
    {{ incremental }}     and changed.user_id = events.user_id
),

placed as (
    select facts.user_id, facts.event_date, facts.event_id, facts.fact_table
    from (
        select user_id, event_date, event_id, 'fact_miles_earned' as fact_table
        from {{ warehouse }}.fact_miles_earned
        union all
        select user_id, event_date, event_id, 'fact_miles_redeemed' as fact_table
        from {{ warehouse }}.fact_miles_redeemed
        union all
        select user_id, event_date, event_id, 'fact_reward_searches' as fact_table
        from {{ warehouse }}.fact_reward_searches
        union all
        select user_id, event_date, event_id, 'fact_social_engagements' as fact_table
        from {{ warehouse }}.fact_social_engagements
        union all
        select user_id, event_date, event_id, 'fact_unclassified_events' as fact_table
        from {{ warehouse }}.fact_unclassified_events
    ) as facts
    {{ incremental }} inner join {{ warehouse }}.changed_events as changed
    {{ incremental }}     on changed.user_id = facts.user_id
    {{ incremental }}     and changed.event_date = facts.event_date
    {{ incremental }}     and changed.event_id = facts.event_id
)

select
    event_id,
    coalesce(expected.user_id, placed.user_id) as user_id,
    coalesce(expected.event_date, placed.event_date) as event_date,
    expected.fact_table as expected_in,
    placed.fact_table as found_in
from expected
full join placed using (event_id)
where
    (expected.user_id, expected.event_date, expected.fact_table)
    is distinct from (placed.user_id, placed.event_date, placed.fact_table)
