-- Place: local
create table if not exists {{ warehouse }}.changed_user_days (
    user_id text not null,
    event_date date not null,
    constraint changed_user_days_key primary key (user_id, event_date)
);

comment on table {{ warehouse }}.changed_user_days is
'Days of users that the running build recomputes. One row per user and day.';
comment on column {{ warehouse }}.changed_user_days.user_id is 'The user.';
comment on column {{ warehouse }}.changed_user_days.event_date is
'Calendar day of the event in reporting_timezone.';
