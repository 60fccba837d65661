create table if not exists {{ warehouse }}.changed_customers (
    customer_id bigint not null,
    constraint changed_customers_key primary key (customer_id)
);

comment on table {{ warehouse }}.changed_customers is
'Customers whose row came, changed or went since the last build.';
comment on column {{ warehouse }}.changed_customers.customer_id is 'Key of the customer.';
