create table if not exists {{ warehouse }}.changed_user_days_basis (
    last_day date not null,
    constraint changed_user_days_basis_key primary key (last_day)
);

comment on table {{ warehouse }}.changed_user_days_basis is
'The last day that the tables were last brought up to: events between it and the last day now have '
'become part of them, or ceased to be. One row; none without an event that counts.';
comment on column {{ warehouse }}.changed_user_days_basis.last_day is 'Last day of the data.';
