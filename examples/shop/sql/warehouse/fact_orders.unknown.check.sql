-- Refunds of orders that are not there. They count once their order arrives; if none does, somebody
-- has to ask the payment provider.
-- Level: warn

select
    refund_id,
    order_id,
    refunds.refund_day,
    refunds.amount
from {{ warehouse }}.fact_refunds as refunds
left join {{ warehouse }}.fact_orders as orders using (order_id)
where orders.order_id is null
