create table if not exists {{ reporting }}.sales_by_country (
    month date not null,
    country text not null,
    orders bigint not null,
    gross numeric not null,
    refunded numeric not null,
    net numeric not null,
    share numeric,
    constraint sales_by_country_key primary key (month, country)
);

comment on table {{ reporting }}.sales_by_country is
'Where our customers are, month by month. One row per month and country.';
comment on column {{ reporting }}.sales_by_country.month is
'First day of the month in which the orders were made.';
comment on column {{ reporting }}.sales_by_country.country is
'Country of the customer as it is now, or unknown.';
comment on column {{ reporting }}.sales_by_country.orders is 'Orders that were not cancelled.';
comment on column {{ reporting }}.sales_by_country.gross is 'Amount of the orders.';
comment on column {{ reporting }}.sales_by_country.refunded is 'Amount paid back of these orders.';
comment on column {{ reporting }}.sales_by_country.net is 'gross - refunded.';
comment on column {{ reporting }}.sales_by_country.share is
'net / net of all countries in the month; null where that is 0.';
