create or replace view {{ warehouse }}.engagements as
select
    event_id, event_time, event_date, user_id, platform, utm_source, country,
    'miles_earned' as event_type, transaction_category,
    miles_amount as earned, null::numeric as redeemed
from {{ warehouse }}.fact_miles_earned
union all
select
    event_id, event_time, event_date, user_id, platform, utm_source, country,
    'miles_redeemed' as event_type, transaction_category,
    null::numeric as earned, miles_amount as redeemed
from {{ warehouse }}.fact_miles_redeemed
union all
select
    event_id, event_time, event_date, user_id, platform, utm_source, country,
    'reward_search' as event_type, transaction_category,
    null::numeric as earned, null::numeric as redeemed
from {{ warehouse }}.fact_reward_searches
union all
select
    event_id, event_time, event_date, user_id, platform, utm_source, country,
    event_type, null as transaction_category,
    null::numeric as earned, null::numeric as redeemed
from {{ warehouse }}.fact_social_engagements;

comment on view {{ warehouse }}.engagements is 'All facts in one form. One row per event.';
