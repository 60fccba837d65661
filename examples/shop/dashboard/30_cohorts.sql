-- Cohorts
-- Question: Do customers order again?
-- Meaning:  Of those who ordered for the first time in a month, the share that ordered again in a
--           later one.
-- Width:    half
-- Columns:
--     cohort_start: First order, date
--     cohort_size: Customers, number
--     month_number: Months later, across
--     share: Share, percent, heat

select
    cohorts.cohort_month as cohort_start,
    cohorts.cohort_size,
    cohorts.month_number,
    cohorts.share
from reporting.customer_cohorts as cohorts
order by cohorts.cohort_month, cohorts.month_number;
