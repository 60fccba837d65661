-- warehouse.fact_miles_earned
-- Grain: one row per event (event_id).
-- Rerun: changed keys; replaces the events of the change set, other rows stay.
-- Why:   miles that users earned.

delete from {{ this }} as fact
{{ incremental }} using {{ warehouse }}.changed_events as changed
{{ incremental }} where fact.event_id = changed.event_id
;

insert into {{ this }} (
    event_id,
    event_time,
    event_date,
    user_id,
    transaction_category,
    miles_amount,
    platform,
    utm_source,
    country
)
select
    event_id,
    event_time,
    event_date,
    user_id,
    transaction_category,
    miles_amount,
    platform,
    utm_source,
    country
from {{ warehouse }}.stg_events
where
    event_type = 'miles_earned'
    {{ incremental }} and event_id in (
    {{ incremental }}     select changed.event_id from {{ warehouse }}.changed_events as changed
    {{ incremental }} );
