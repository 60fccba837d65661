-- Place: local
create table if not exists {{ warehouse }}.changed_events (
    user_id text not null,
    event_date date not null,
    event_id {{ source.event_stream.event_id_type }} not null,
    fact_table text,
    has_been_there boolean not null,
    constraint changed_events_key primary key (user_id, event_date, event_id)
);

comment on table {{ warehouse }}.changed_events is
'Events whose facts the running build recomputes. One row per event and each user and day that it '
'has or had.';
comment on column {{ warehouse }}.changed_events.user_id is 'The user.';
comment on column {{ warehouse }}.changed_events.event_date is
'Calendar day of the event in reporting_timezone.';
comment on column {{ warehouse }}.changed_events.event_id is 'Key of the source row.';
comment on column {{ warehouse }}.changed_events.fact_table is
'The fact that the event belongs to; null for a user and day that it has left.';
comment on column {{ warehouse }}.changed_events.has_been_there is
'Whether an earlier version of the event had this user and day, in any fact.';
