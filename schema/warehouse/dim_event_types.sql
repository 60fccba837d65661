-- Place: local
create table if not exists {{ warehouse }}.dim_event_types (
    event_type text not null,
    fact_table text not null,
    depth integer not null,
    constraint dim_event_types_key primary key (event_type)
);

comment on table {{ warehouse }}.dim_event_types is
'Event types and where they go. One row per type, known or seen in an event that counts.';
comment on column {{ warehouse }}.dim_event_types.event_type is 'What the source calls it.';
comment on column {{ warehouse }}.dim_event_types.fact_table is 'The fact that holds its events.';
comment on column {{ warehouse }}.dim_event_types.depth is
'Depth of engagement: 1 like, 2 share, 3 search, 4 earn, 5 redeem; 0 for unknown types.';
