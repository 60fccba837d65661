-- A view: events that count and that arrived before their own day. They are few: the clock of their
-- device ran ahead over a midnight.

create or replace view {{ warehouse }}.early_events as
select user_id, event_date, transaction_category, platform, utm_source, country
from {{ warehouse }}.fact_miles_earned
where known_date < event_date
union all
select user_id, event_date, transaction_category, platform, utm_source, country
from {{ warehouse }}.fact_miles_redeemed
where known_date < event_date
union all
select user_id, event_date, transaction_category, platform, utm_source, country
from {{ warehouse }}.fact_reward_searches
where known_date < event_date
union all
select
    user_id, event_date,
    null::text as transaction_category,
    platform, utm_source, country
from {{ warehouse }}.fact_social_engagements
where known_date < event_date
union all
select
    user_id, event_date,
    null::text as transaction_category,
    platform, utm_source, country
from {{ warehouse }}.fact_unclassified_events
where known_date < event_date;

comment on view {{ warehouse }}.early_events is
'Events that count and that arrived before their own day. One row per event.';
comment on column {{ warehouse }}.early_events.user_id is 'The user.';
comment on column {{ warehouse }}.early_events.event_date is
'Calendar day of the event in reporting_timezone.';
comment on column {{ warehouse }}.early_events.transaction_category is
'Category of an earning, redemption or search; null for all other events.';
comment on column {{ warehouse }}.early_events.platform is 'Platform.';
comment on column {{ warehouse }}.early_events.utm_source is 'Campaign source.';
comment on column {{ warehouse }}.early_events.country is 'Country.';
