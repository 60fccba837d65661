create table if not exists {{ warehouse }}.dim_customers (
    customer_id bigint not null,
    customer_name text not null,
    country text not null,
    constraint dim_customers_key primary key (customer_id)
);

comment on table {{ warehouse }}.dim_customers is
'One row per customer with an account.';
comment on column {{ warehouse }}.dim_customers.customer_id is 'Key of the customer.';
comment on column {{ warehouse }}.dim_customers.customer_name is 'Name.';
comment on column {{ warehouse }}.dim_customers.country is 'Country, or unknown.';
