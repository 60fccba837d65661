create table if not exists {{ warehouse }}.agg_sales_daily (
    order_day date not null,
    country text not null,
    orders bigint not null,
    customers bigint not null,
    gross numeric not null,
    refunded numeric not null,
    constraint agg_sales_daily_key primary key (order_day, country)
);

comment on table {{ warehouse }}.agg_sales_daily is
'Sales per day of the order and country of the customer. Cancelled orders do not count.';
comment on column {{ warehouse }}.agg_sales_daily.order_day is 'Day on which the orders were made.';
comment on column {{ warehouse }}.agg_sales_daily.country is
'Country of the customer as it is now; unknown without an account.';
comment on column {{ warehouse }}.agg_sales_daily.orders is 'Orders.';
comment on column {{ warehouse }}.agg_sales_daily.customers is
'Distinct customers. Nobody is in two countries, so these add up.';
comment on column {{ warehouse }}.agg_sales_daily.gross is 'Amount of the orders.';
comment on column {{ warehouse }}.agg_sales_daily.refunded is
'Amount paid back of these orders, whenever that was.';
