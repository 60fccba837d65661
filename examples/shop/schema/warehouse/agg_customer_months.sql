create table if not exists {{ warehouse }}.agg_customer_months (
    customer_id bigint not null,
    month date not null,
    cohort_month date not null,
    orders bigint not null,
    net numeric not null,
    constraint agg_customer_months_key primary key (customer_id, month)
);

comment on table {{ warehouse }}.agg_customer_months is
'Months in which a customer ordered. One row per customer and month.';
comment on column {{ warehouse }}.agg_customer_months.customer_id is 'Key of the customer.';
comment on column {{ warehouse }}.agg_customer_months.month is 'First day of the month.';
comment on column {{ warehouse }}.agg_customer_months.cohort_month is
'The first such month of the customer.';
comment on column {{ warehouse }}.agg_customer_months.orders is 'Orders of the month.';
comment on column {{ warehouse }}.agg_customer_months.net is
'Their amount without what was paid back of it.';
