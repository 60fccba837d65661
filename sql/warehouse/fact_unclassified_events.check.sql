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
    select
        facts.user_id, facts.event_date, facts.event_id,
        'fact_miles_earned' as fact_table
    from {{ warehouse }}.fact_miles_earned as facts
    {{ incremental }} inner join {{ warehouse }}.changed_events as changed
    {{ incremental }}     on changed.user_id = facts.user_id
    {{ incremental }}     and changed.event_date = facts.event_date
    {{ incremental }}     and changed.event_id = facts.event_id
    union all
    select
        facts.user_id, facts.event_date, facts.event_id,
        'fact_miles_redeemed' as fact_table
    from {{ warehouse }}.fact_miles_redeemed as facts
    {{ incremental }} inner join {{ warehouse }}.changed_events as changed
    {{ incremental }}     on changed.user_id = facts.user_id
    {{ incremental }}     and changed.event_date = facts.event_date
    {{ incremental }}     and changed.event_id = facts.event_id
    union all
    select
        facts.user_id, facts.event_date, facts.event_id,
        'fact_reward_searches' as fact_table
    from {{ warehouse }}.fact_reward_searches as facts
    {{ incremental }} inner join {{ warehouse }}.changed_events as changed
    {{ incremental }}     on changed.user_id = facts.user_id
    {{ incremental }}     and changed.event_date = facts.event_date
    {{ incremental }}     and changed.event_id = facts.event_id
    union all
    select
        facts.user_id, facts.event_date, facts.event_id,
        'fact_social_engagements' as fact_table
    from {{ warehouse }}.fact_social_engagements as facts
    {{ incremental }} inner join {{ warehouse }}.changed_events as changed
    {{ incremental }}     on changed.user_id = facts.user_id
    {{ incremental }}     and changed.event_date = facts.event_date
    {{ incremental }}     and changed.event_id = facts.event_id
    union all
    select
        facts.user_id, facts.event_date, facts.event_id,
        'fact_unclassified_events' as fact_table
    from {{ warehouse }}.fact_unclassified_events as facts
    {{ incremental }} inner join {{ warehouse }}.changed_events as changed
    {{ incremental }}     on changed.user_id = facts.user_id
    {{ incremental }}     and changed.event_date = facts.event_date
    {{ incremental }}     and changed.event_id = facts.event_id
)

select
    event_id, user_id, event_date,
    expected.fact_table as expected_in,
    placed.fact_table as found_in
from expected
full join placed using (user_id, event_date, event_id, fact_table)
where
    expected.fact_table is null
    or placed.fact_table is null
