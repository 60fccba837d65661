create table if not exists {{ warehouse }}.changed_orders (
    order_id bigint not null,
    order_day date not null,
    customer_id bigint not null,
    constraint changed_orders_key primary key (order_id, order_day, customer_id)
);

comment on table {{ warehouse }}.changed_orders is
'Orders to recompute, with the places where they are and were. One row per order, day and customer.';
comment on column {{ warehouse }}.changed_orders.order_id is 'Key of the order.';
comment on column {{ warehouse }}.changed_orders.order_day is 'The day on which it counts, or did.';
comment on column {{ warehouse }}.changed_orders.customer_id is 'Whose it is, or was.';
