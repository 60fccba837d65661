-- Types of events in passive_event_types, in sql/manifest.toml, that have a fact: what is in a fact
-- is activity. Take them out of that list.

select event_type
from unnest({{ passive_event_types }}::text[]) as types (event_type)
where event_type in ('miles_earned', 'miles_redeemed', 'reward_search', 'share', 'like')
