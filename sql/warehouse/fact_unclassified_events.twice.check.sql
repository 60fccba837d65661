-- An archived event whose source row has got another cursor value is loaded again, and counts twice
-- if its user or day is another one too. A full build and an archive look for such events: their
-- months have to be brought back.

select
    event_id,
    min(created_date) as archived_of,
    max(created_date) as written_again,
    {{ archived_rows.event_stream }} as archived
from (
    select event_id, created_date from {{ warehouse }}.fact_miles_earned
    union all
    select event_id, created_date from {{ warehouse }}.fact_miles_redeemed
    union all
    select event_id, created_date from {{ warehouse }}.fact_reward_searches
    union all
    select event_id, created_date from {{ warehouse }}.fact_social_engagements
    union all
    select event_id, created_date from {{ warehouse }}.fact_unclassified_events
) as facts
where
    false
    {{ archived.event_stream }} or true
group by event_id
having count(*) > 1
