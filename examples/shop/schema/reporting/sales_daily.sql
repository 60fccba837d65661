create table if not exists {{ reporting }}.sales_daily (
    day date not null,
    orders bigint not null,
    customers bigint not null,
    gross numeric not null,
    refunded numeric not null,
    net numeric not null,
    net_7_days numeric not null,
    constraint sales_daily_key primary key (day)
);

comment on table {{ reporting }}.sales_daily is
'How we sell, day by day, quiet days included. One row per day.';
comment on column {{ reporting }}.sales_daily.day is 'Day on which the orders were made.';
comment on column {{ reporting }}.sales_daily.orders is 'Orders that were not cancelled.';
comment on column {{ reporting }}.sales_daily.customers is 'Distinct customers.';
comment on column {{ reporting }}.sales_daily.gross is 'Amount of the orders.';
comment on column {{ reporting }}.sales_daily.refunded is
'Amount paid back of these orders, whenever that was.';
comment on column {{ reporting }}.sales_daily.net is 'gross - refunded.';
comment on column {{ reporting }}.sales_daily.net_7_days is 'net of this day and the six before.';
