-- A view: the one place that decides which events of the facts count: those up to the last day.

create or replace view {{ warehouse }}.counted_events as
select
    user_id, event_date, event_id, event_time, event_type,
    transaction_category, platform, utm_source, country,
    miles_earned, miles_redeemed
from (
    select
        user_id, event_date, event_id, event_time,
        'miles_earned' as event_type,
        transaction_category, platform, utm_source, country,
        miles_earned,
        0::numeric as miles_redeemed
    from {{ warehouse }}.fact_miles_earned
    union all
    select
        user_id, event_date, event_id, event_time,
        'miles_redeemed' as event_type,
        transaction_category, platform, utm_source, country,
        0::numeric as miles_earned,
        miles_redeemed
    from {{ warehouse }}.fact_miles_redeemed
    union all
    select
        user_id, event_date, event_id, event_time,
        'reward_search' as event_type,
        transaction_category, platform, utm_source, country,
        0::numeric as miles_earned,
        0::numeric as miles_redeemed
    from {{ warehouse }}.fact_reward_searches
    union all
    select
        user_id, event_date, event_id, event_time,
        engagement as event_type,
        null::text as transaction_category,
        platform, utm_source, country,
        0::numeric as miles_earned,
        0::numeric as miles_redeemed
    from {{ warehouse }}.fact_social_engagements
    union all
    select
        user_id, event_date, event_id, event_time,
        event_type,
        null::text as transaction_category,
        platform, utm_source, country,
        0::numeric as miles_earned,
        0::numeric as miles_redeemed
    from {{ warehouse }}.fact_unclassified_events
    where known_date is not null
) as facts
where event_date <= (select last_day from {{ warehouse }}.last_day);

comment on view {{ warehouse }}.counted_events is
'The events that count in metrics, of all facts, up to the last day. One row per event.';
comment on column {{ warehouse }}.counted_events.user_id is 'The user.';
comment on column {{ warehouse }}.counted_events.event_date is
'Calendar day of the event in reporting_timezone.';
comment on column {{ warehouse }}.counted_events.event_id is 'Key of the source row.';
comment on column {{ warehouse }}.counted_events.event_time is 'When it happened.';
comment on column {{ warehouse }}.counted_events.event_type is 'What the source called it.';
comment on column {{ warehouse }}.counted_events.transaction_category is
'Category of an earning, redemption or search; null for all other events.';
comment on column {{ warehouse }}.counted_events.platform is 'Platform.';
comment on column {{ warehouse }}.counted_events.utm_source is 'Campaign source.';
comment on column {{ warehouse }}.counted_events.country is 'Country.';
comment on column {{ warehouse }}.counted_events.miles_earned is
'Miles earned; 0 for other events.';
comment on column {{ warehouse }}.counted_events.miles_redeemed is
'Miles redeemed; 0 for other events.';
