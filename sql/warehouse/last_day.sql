-- warehouse.last_day
-- Grain: one row (last_day).
-- Rerun: whole; reads the last entry of an index of each fact.
-- Why:   the one place that decides what is complete, and where all tables but the facts end. A
--        phone whose clock runs ahead must not end a day that is still running.

insert into {{ this }} (last_day)
select max(known_date) as last_day
from (
    select max(known_date) as known_date from {{ warehouse }}.fact_miles_earned
    union all
    select max(known_date) as known_date from {{ warehouse }}.fact_miles_redeemed
    union all
    select max(known_date) as known_date from {{ warehouse }}.fact_reward_searches
    union all
    select max(known_date) as known_date from {{ warehouse }}.fact_social_engagements
    union all
    select max(known_date) as known_date from {{ warehouse }}.fact_unclassified_events
) as facts
having max(known_date) is not null;
