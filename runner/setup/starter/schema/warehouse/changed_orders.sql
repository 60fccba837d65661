create table if not exists {{ warehouse }}.changed_orders (
    updated_at_day date not null,
    order_id text not null,
    constraint changed_orders_key primary key (updated_at_day, order_id)
);

comment on table {{ warehouse }}.changed_orders is
'Rows that the running build has to recompute. One row per key and day, new or former.';
comment on column {{ warehouse }}.changed_orders.updated_at_day is
'Calendar day of updated_at in reporting_timezone.';
comment on column {{ warehouse }}.changed_orders.order_id is 'Key of the source row.';
