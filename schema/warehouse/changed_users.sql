-- Place: local
create table if not exists {{ warehouse }}.changed_users (
    user_id text not null,
    constraint changed_users_key primary key (user_id)
);

comment on table {{ warehouse }}.changed_users is
'Users that the running build recomputes. One row per user.';
comment on column {{ warehouse }}.changed_users.user_id is 'The user.';
