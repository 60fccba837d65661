-- Every order of the replica is in the fact once, with its amount, and the fact holds nothing else.
-- An incremental build checks the change set, a full build every row.

with expected as (
    select
        order_id,
        amount
    from {{ raw }}.raw_orders
    {{ incremental }} where order_id in (
    {{ incremental }}     select changed.order_id from {{ warehouse }}.changed_orders as changed
    {{ incremental }} )
),

found as (
    select
        order_id,
        amount
    from {{ warehouse }}.fact_orders
    {{ incremental }} where order_id in (
    {{ incremental }}     select changed.order_id from {{ warehouse }}.changed_orders as changed
    {{ incremental }} )
)

select
    order_id,
    expected.amount as expected_amount,
    found.amount as found_amount
from expected
full join found using (order_id)
where expected.amount is distinct from found.amount
