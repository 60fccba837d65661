-- What the variables may not be. A row is a mistake: no build begins then.

select
    format('passive_event_types names %s, which has a fact', event_type) as problem,
    'what is in a fact is activity: take it out of the list' as hint
from unnest({{ passive_event_types }}::text[]) as types (event_type)
where event_type in ('miles_earned', 'miles_redeemed', 'reward_search', 'share', 'like')
