create table if not exists {{ warehouse }}.fact_orders (
    order_id bigint not null,
    order_day date not null,
    customer_id bigint not null,
    status text not null,
    amount numeric not null,
    refunded numeric not null,
    constraint fact_orders_key primary key (order_id)
);

create index if not exists fact_orders_day on {{ warehouse }}.fact_orders (order_day);
create index if not exists fact_orders_customer on {{ warehouse }}.fact_orders (customer_id);

comment on table {{ warehouse }}.fact_orders is
'One row per order, as it is now.';
comment on column {{ warehouse }}.fact_orders.order_id is 'Key of the order.';
comment on column {{ warehouse }}.fact_orders.order_day is
'Day of ordered_at in reporting_timezone.';
comment on column {{ warehouse }}.fact_orders.customer_id is
'Who ordered; not every customer has a row in dim_customers.';
comment on column {{ warehouse }}.fact_orders.status is
'placed, shipped or cancelled; cancelled orders count nowhere.';
comment on column {{ warehouse }}.fact_orders.amount is 'What it cost.';
comment on column {{ warehouse }}.fact_orders.refunded is
'What was paid back of it, whenever that was.';
