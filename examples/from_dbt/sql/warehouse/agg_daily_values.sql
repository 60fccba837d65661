-- warehouse.agg_daily_values
-- Grain: one row per day, value of a dimension and event type.
-- Rerun: changed keys; recomputes the days of the change set, other days stay.
-- Why:   dimensions are the least of a few rows a day, instead of all events.

delete from {{ this }}
{{ incremental }} where event_date in (
{{ incremental }}     select changed.event_date from {{ warehouse }}.changed_events as changed
{{ incremental }} )
;

insert into {{ this }} (event_date, dimension, value, event_type, first_seen_at)
with seen as (
    select
        event_date, platform, utm_source, transaction_category, event_type,
        min(event_time) as first_seen_at
    from {{ warehouse }}.engagements
    {{ incremental }} where event_date in (
    {{ incremental }}     select changed.event_date from {{ warehouse }}.changed_events as changed
    {{ incremental }} )
    group by event_date, platform, utm_source, transaction_category, event_type
)

select
    event_date, dimension, value, event_type,
    min(first_seen_at) as first_seen_at
from seen
cross join lateral (
    values
    ('platform', platform),
    ('utm_source', utm_source),
    ('transaction_category', transaction_category)
) as dimensions (dimension, value)
where value is not null
group by event_date, dimension, value, event_type;
