-- warehouse.fact_refunds
-- Grain: one row per refund (refund_id).
-- Rerun: changed keys; replaces the refunds of the change set, other rows stay.
-- Why:   the refunds, each on its own day; what they do to an order's amount is in fact_orders.

delete from {{ this }} as fact
{{ incremental }} using {{ warehouse }}.changed_refunds as changed
{{ incremental }} where fact.refund_id = changed.refund_id
;

insert into {{ this }} (refund_id, order_id, refund_day, reason, amount)
select
    refund_id,
    order_id,
    (refunded_at at time zone {{ reporting_timezone }})::date as refund_day,
    coalesce(nullif(reason, ''), 'unknown') as reason,
    amount
from {{ raw }}.raw_refunds
{{ incremental }} where refund_id in (
{{ incremental }}     select changed.refund_id from {{ warehouse }}.changed_refunds as changed
{{ incremental }} )
order by refund_id;
