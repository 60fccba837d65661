-- Place: distributed by user_id
create table if not exists {{ warehouse }}.fact_miles_earned (
    user_id text not null,
    event_date date not null,
    event_id {{ source.event_stream.event_id_type }} not null,
    transaction_category text not null,
    platform text not null,
    utm_source text not null,
    country text not null,
    miles_earned numeric not null,
    event_time timestamptz not null,
    known_date date not null,
    created_date date not null,
    constraint fact_miles_earned_key primary key (user_id, event_date, event_id)
)
{{ monthly_facts }} partition by range (event_date)
;

comment on table {{ warehouse }}.fact_miles_earned is 'Miles earned. One row per event.';
comment on column {{ warehouse }}.fact_miles_earned.user_id is 'The user.';
comment on column {{ warehouse }}.fact_miles_earned.event_date is
'Calendar day of the event in reporting_timezone.';
comment on column {{ warehouse }}.fact_miles_earned.event_id is 'Key of the source row.';
comment on column {{ warehouse }}.fact_miles_earned.transaction_category is
'Category; unknown where the source had none.';
comment on column {{ warehouse }}.fact_miles_earned.platform is 'Platform of the event.';
comment on column {{ warehouse }}.fact_miles_earned.utm_source is 'Campaign source of the event.';
comment on column {{ warehouse }}.fact_miles_earned.country is 'Country of the event.';
comment on column {{ warehouse }}.fact_miles_earned.miles_earned is
'Miles; 0 where the source gave none. Fully additive.';
comment on column {{ warehouse }}.fact_miles_earned.event_time is 'When it happened.';
comment on column {{ warehouse }}.fact_miles_earned.known_date is
'The last day of the data is at least this day: event_date, or the day of created_at where that '
'is earlier.';
comment on column {{ warehouse }}.fact_miles_earned.created_date is
'UTC day on which the source wrote the row; it decides whether the row is archived.';

-- The last day is the newest of these.
create index if not exists fact_miles_earned_known_date
on {{ warehouse }}.fact_miles_earned (known_date);
-- The few events that arrived before their own day: a last day that moves decides whether they
-- count.
create index if not exists fact_miles_earned_early
on {{ warehouse }}.fact_miles_earned (event_date) where known_date < event_date;
