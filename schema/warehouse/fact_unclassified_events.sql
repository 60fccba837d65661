-- Place: distributed by user_id
create table if not exists {{ warehouse }}.fact_unclassified_events (
    user_id text not null,
    event_date date not null,
    event_id {{ source.event_stream.event_id_type }} not null,
    reason text not null,
    event_type text not null,
    transaction_category text not null,
    platform text not null,
    utm_source text not null,
    country text not null,
    miles_amount numeric not null,
    event_time timestamptz not null,
    known_date date,
    created_date date not null,
    constraint fact_unclassified_events_key primary key (user_id, event_date, event_id),
    constraint reason_is_known check (reason in ('no user_id', 'insane time', 'unknown event type'))
)
{{ monthly_facts }} partition by range (event_date)
;

comment on table {{ warehouse }}.fact_unclassified_events is
'Events that fit no other fact, with the reason: counted, never lost. One row per event.';
comment on column {{ warehouse }}.fact_unclassified_events.user_id is
'The user; unknown where the source had none.';
comment on column {{ warehouse }}.fact_unclassified_events.event_date is
'Calendar day of the event; -infinity where its time is missing or out of range.';
comment on column {{ warehouse }}.fact_unclassified_events.event_id is 'Key of the source row.';
comment on column {{ warehouse }}.fact_unclassified_events.reason is
'Why it fits no other fact: no user_id, insane time or unknown event type, the first that applies.';
comment on column {{ warehouse }}.fact_unclassified_events.event_type is
'What the source called it; unknown where it had no name.';
comment on column {{ warehouse }}.fact_unclassified_events.transaction_category is
'Category; unknown where the source had none.';
comment on column {{ warehouse }}.fact_unclassified_events.platform is 'Platform of the event.';
comment on column {{ warehouse }}.fact_unclassified_events.utm_source is
'Campaign source of the event.';
comment on column {{ warehouse }}.fact_unclassified_events.country is 'Country of the event.';
comment on column {{ warehouse }}.fact_unclassified_events.miles_amount is
'Miles; 0 where the source gave none.';
comment on column {{ warehouse }}.fact_unclassified_events.event_time is
'When it is said to have happened; -infinity where the source had nothing.';
comment on column {{ warehouse }}.fact_unclassified_events.known_date is
'The last day of the data is at least this day: event_date, or the day of created_at where that '
'is earlier. Null where the event does not count.';
comment on column {{ warehouse }}.fact_unclassified_events.created_date is
'UTC day on which the source wrote the row; it decides whether the row is archived.';

-- The last day is the newest of these.
create index if not exists fact_unclassified_events_known_date
on {{ warehouse }}.fact_unclassified_events (known_date);
-- The few events that arrived before their own day: a last day that moves decides whether they
-- count.
create index if not exists fact_unclassified_events_early
on {{ warehouse }}.fact_unclassified_events (event_date) where known_date < event_date;
