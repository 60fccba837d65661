create or replace view {{ warehouse }}.stg_events as
select
    event_id,
    event_time,
    (event_time at time zone 'UTC')::date as event_date,
    user_id,
    event_type,
    nullif(transaction_category, '') as transaction_category,
    miles_amount,
    platform,
    utm_source,
    country
from {{ raw }}.raw_event_stream;

comment on view {{ warehouse }}.stg_events is 'Events with their day. One row per event.';
