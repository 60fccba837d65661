create table if not exists {{ warehouse }}.changed_events (
    event_id bigint not null,
    event_date date not null,
    user_id text not null,
    transaction_category text
);

create index if not exists changed_events_event on {{ warehouse }}.changed_events (event_id);

comment on table {{ warehouse }}.changed_events is
'Events that came, changed or went since the last build, as they are and as they were.';
