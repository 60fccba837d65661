-- warehouse.fact_reward_searches
-- Grain: one row per event (user_id, event_date, event_id).
--        The user first, so that a user's events are stored together.
-- Rerun: changed keys; replaces the changed events; other rows stay.
-- Why:   a search is an intent: it has a category and no miles.

delete from {{ this }} as fact
{{ incremental }} using {{ warehouse }}.changed_events as changed
{{ incremental }} where fact.user_id = changed.user_id
{{ incremental }}     and fact.event_date = changed.event_date
{{ incremental }}     and fact.event_id = changed.event_id
{{ incremental }}     and (has_been_there or fact_table = 'fact_reward_searches')
{{ incremental }}     and {{ within.changed_events }}
;

insert into {{ this }} (
    user_id, event_date, event_id, transaction_category, platform, utm_source, country, event_time,
    known_date, created_date
)
select
    user_id, event_date, event_id, transaction_category, platform, utm_source, country,
    event_time, known_date, created_date
from {{ warehouse }}.classified_events
{{ incremental }} inner join {{ warehouse }}.changed_events
{{ incremental }}     using (user_id, event_date, event_id, fact_table)
where fact_table = 'fact_reward_searches'
{{ archived.event_stream }} union all
{{ archived.event_stream }} select
{{ archived.event_stream }}     user_id, event_date, event_id, transaction_category, platform,
{{ archived.event_stream }}     utm_source, country, event_time, known_date, created_date
{{ archived.event_stream }} from {{ live }}
{{ archived.event_stream }} where created_date < {{ archived_before.event_stream }}
{{ archived.event_stream }}     and created_date > '-infinity'
order by user_id, event_date, event_id;
