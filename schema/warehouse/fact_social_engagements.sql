-- Place: distributed by user_id
create table if not exists {{ warehouse }}.fact_social_engagements (
    user_id text not null,
    event_date date not null,
    event_id {{ source.event_stream.event_id_type }} not null,
    engagement text not null,
    platform text not null,
    utm_source text not null,
    country text not null,
    event_time timestamptz not null,
    known_date date not null,
    created_date date not null,
    constraint fact_social_engagements_key primary key (user_id, event_date, event_id)
)
{{ monthly_facts }} partition by range (event_date)
;

comment on table {{ warehouse }}.fact_social_engagements is
'Likes and shares: light engagement. One row per event.';
comment on column {{ warehouse }}.fact_social_engagements.user_id is 'The user.';
comment on column {{ warehouse }}.fact_social_engagements.event_date is
'Calendar day of the event in reporting_timezone.';
comment on column {{ warehouse }}.fact_social_engagements.event_id is 'Key of the source row.';
comment on column {{ warehouse }}.fact_social_engagements.engagement is 'like or share.';
comment on column {{ warehouse }}.fact_social_engagements.platform is 'Platform of the event.';
comment on column {{ warehouse }}.fact_social_engagements.utm_source is
'Campaign source of the event.';
comment on column {{ warehouse }}.fact_social_engagements.country is 'Country of the event.';
comment on column {{ warehouse }}.fact_social_engagements.event_time is 'When it happened.';
comment on column {{ warehouse }}.fact_social_engagements.known_date is
'The last day of the data is at least this day: event_date, or the day of created_at where that '
'is earlier.';
comment on column {{ warehouse }}.fact_social_engagements.created_date is
'UTC day on which the source wrote the row; it decides whether the row is archived.';

-- The last day is the newest of these.
create index if not exists fact_social_engagements_known_date
on {{ warehouse }}.fact_social_engagements (known_date);
-- The few events that arrived before their own day: a last day that moves decides whether they
-- count.
create index if not exists fact_social_engagements_early
on {{ warehouse }}.fact_social_engagements (event_date) where known_date < event_date;
