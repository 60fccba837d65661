-- Place: local
create table if not exists {{ warehouse }}.changed_user_days_basis (
    through_run_id bigint not null,
    last_day date not null,
    constraint changed_user_days_basis_key primary key (through_run_id)
);

comment on table {{ warehouse }}.changed_user_days_basis is
'The last day as of the last two builds: early events between it and the present one begin or '
'cease to count. One row per build; none without an event that counts.';
comment on column {{ warehouse }}.changed_user_days_basis.through_run_id is
'Newest run of event_stream that the build had consumed.';
comment on column {{ warehouse }}.changed_user_days_basis.last_day is
'Last day of the data at that time.';
