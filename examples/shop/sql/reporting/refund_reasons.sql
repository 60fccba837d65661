-- reporting.refund_reasons
-- Grain: one row per month and reason (month, reason).
-- Rerun: whole; a few rows per month.
-- Why:   what to improve. Here a refund counts in the month in which the money went back.

insert into {{ this }} (month, reason, refunds, amount, median_days)
select
    date_trunc('month', refunds.refund_day::timestamp)::date as month,
    refunds.reason,
    count(*) as refunds,
    sum(refunds.amount) as amount,
    (percentile_cont(0.5) within group (order by refunds.refund_day - orders.order_day))::numeric
        as median_days
from {{ warehouse }}.fact_refunds as refunds
left join {{ warehouse }}.fact_orders as orders using (order_id)
group by date_trunc('month', refunds.refund_day::timestamp), refunds.reason;
