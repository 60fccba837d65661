-- Countries
-- Question: Where are our customers?
-- Meaning:  Sales of the last month, by the country that a customer has today.
-- Width:    half
-- Columns:
--     country: Country
--     orders: Orders, number
--     net: Net, number
--     share: Share, percent, bar

select
    sales.country,
    sales.orders,
    sales.net,
    sales.share
from reporting.sales_by_country as sales
where sales.month = (select max(latest.month) from reporting.sales_by_country as latest)
order by sales.net desc, sales.country collate "C";
