-- The facts hold the only copy of archived rows here, so a full build has to keep every one. An
-- incremental build does not touch them.

select
    {{ archived_rows.event_stream }} as archived,
    count(*) as kept
from (
    select created_date from {{ warehouse }}.fact_miles_earned
    union all
    select created_date from {{ warehouse }}.fact_miles_redeemed
    union all
    select created_date from {{ warehouse }}.fact_reward_searches
    union all
    select created_date from {{ warehouse }}.fact_social_engagements
    union all
    select created_date from {{ warehouse }}.fact_unclassified_events
) as facts
where
    false
    {{ archived.event_stream }} or (
    {{ archived.event_stream }}     created_date < {{ archived_before.event_stream }}
    {{ archived.event_stream }}     and created_date > '-infinity'
    {{ archived.event_stream }} )
having
    false
    {{ archived.event_stream }} or count(*) <> {{ archived_rows.event_stream }}
