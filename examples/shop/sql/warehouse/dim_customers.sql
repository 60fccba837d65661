-- warehouse.dim_customers
-- Grain: one row per customer (customer_id).
-- Rerun: changed keys; replaces the customers of the change set, other rows stay.
-- Why:   what a customer is like now; orders are counted where their customer is today.

delete from {{ this }} as customers
{{ incremental }} using {{ warehouse }}.changed_customers as changed
{{ incremental }} where customers.customer_id = changed.customer_id
;

insert into {{ this }} (customer_id, customer_name, country)
select
    customer_id,
    customer_name,
    coalesce(nullif(country, ''), 'unknown') as country
from {{ raw }}.raw_customers
{{ incremental }} where customer_id in (
{{ incremental }}     select changed.customer_id
{{ incremental }}     from {{ warehouse }}.changed_customers as changed
{{ incremental }} )
order by customer_id;
