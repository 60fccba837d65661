create table if not exists {{ warehouse }}.changed_days (
    order_day date not null,
    constraint changed_days_key primary key (order_day)
);

comment on table {{ warehouse }}.changed_days is
'Days to recompute.';
comment on column {{ warehouse }}.changed_days.order_day is 'Calendar day in reporting_timezone.';
