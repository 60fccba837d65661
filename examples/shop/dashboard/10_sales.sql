-- Sales
-- Question: How do we sell?
-- Meaning:  Orders of the day that were not cancelled, without what was refunded of them, whenever
--           that was.
-- Columns:
--     day: Day
--     net: Net, number
--     refunded: Refunded, number
--     net_7_days: Net of 7 days, number

select
    sales.day,
    sales.net,
    sales.refunded,
    sales.net_7_days
from reporting.sales_daily as sales
order by sales.day;
