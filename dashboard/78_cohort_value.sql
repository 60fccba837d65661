-- Cohort value
-- Question: How many miles has a user of each month earned so far?
-- Meaning:  A row is a cohort: the users whose first event was in the month. A cell is the miles
--           that they have earned, per user, up to the end of the month that many months later:
--           read down a column to compare cohorts at the same age. Hatched: the month is not over.
--           In the first month of the data everybody counts as new.
-- Width:    half
-- Base:     cohort_size
-- Columns:
--     cohort_start: Joined in
--     cohort_size: Users, number
--     period_number: Months later, across
--     miles_earned_per_user: Miles per user, number, heat

select
    'month' as grain,
    slice,
    slice_value,
    cohort_start,
    cohort_size,
    period_number,
    miles_earned,
    miles_redeemed,
    miles_earned_per_user,
    redemption_rate,
    redeemers,
    is_complete
from reporting.cohort_value
order by slice, slice_value, cohort_start, period_number;
