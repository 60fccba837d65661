-- Changes
-- Question: How much happens each day?
-- Meaning:  Rows by the day on which they last changed.
-- Columns:
--     day: Day
--     row_count: Rows, number

select
    daily.day,
    daily.row_count
from reporting.orders_daily as daily
order by daily.day;
