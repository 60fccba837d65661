create table if not exists {{ warehouse }}.changed_users (
    user_id text not null,
    span_start date not null,
    span_end date not null,
    constraint changed_users_key primary key (user_id)
);

comment on table {{ warehouse }}.changed_users is
'Users that the running build recomputes. One row per user.';
comment on column {{ warehouse }}.changed_users.user_id is 'The user.';
comment on column {{ warehouse }}.changed_users.span_start is
'First day of the weeks and months that the changed days lie in.';
comment on column {{ warehouse }}.changed_users.span_end is 'Last day of those weeks and months.';
