-- How many days after their order the refunds of this build were made; in a full build, all refunds.

with delays as (
    select width_bucket(refunds.refund_day - orders.order_day, array[0, 1, 8, 31]) as bucket
    from {{ warehouse }}.fact_refunds as refunds
    inner join {{ warehouse }}.fact_orders as orders using (order_id)
    {{ incremental }} where refunds.refund_id in (
    {{ incremental }}     select changed.refund_id from {{ warehouse }}.changed_refunds as changed
    {{ incremental }} )
)

select
    labels.label,
    count(delays.bucket) as value
from (
    values
    (0, 'before the order'),
    (1, 'the same day'),
    (2, '1 to 7 days'),
    (3, '8 to 30 days'),
    (4, '31 days or more')
) as labels (bucket, label)
left join delays using (bucket)
group by labels.bucket, labels.label
order by labels.bucket
