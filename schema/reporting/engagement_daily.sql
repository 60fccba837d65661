-- Place: local
create table if not exists {{ reporting }}.engagement_daily (
    day date not null,
    event_type text not null,
    depth integer not null,
    slice text not null,
    slice_value text not null,
    events bigint not null,
    users bigint not null,
    is_complete boolean not null,
    constraint engagement_daily_key primary key (day, event_type, slice, slice_value)
);

comment on table {{ reporting }}.engagement_daily is
'What users do. One row per day, event type and slice value with an event.';
comment on column {{ reporting }}.engagement_daily.day is 'Calendar day in reporting_timezone.';
comment on column {{ reporting }}.engagement_daily.event_type is 'The event type.';
comment on column {{ reporting }}.engagement_daily.depth is
'Depth of engagement: 1 like to 5 redeem; 0 for unknown types.';
comment on column {{ reporting }}.engagement_daily.slice is 'all, country, platform or utm_source.';
comment on column {{ reporting }}.engagement_daily.slice_value is
'Member of the slice; all in slice all.';
comment on column {{ reporting }}.engagement_daily.events is 'Events.';
comment on column {{ reporting }}.engagement_daily.users is 'Users with such an event.';
comment on column {{ reporting }}.engagement_daily.is_complete is
'Whether the data go beyond the day.';
