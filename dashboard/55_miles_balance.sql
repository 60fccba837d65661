-- Miles balance
-- Question: What does the programme owe, and how fast is it spent?
-- Meaning:  Outstanding miles are all miles earned so far less all redeemed: what the programme
--           owes. Burn rate is miles redeemed for each mile earned over the 28 days ending on the
--           day; there is none while none were earned. Open dots: the last day still runs.
-- Base:     dau
-- Width:    half
-- Columns:
--     day: Day
--     outstanding_miles: Outstanding, number
--     miles_earned: Earned, number
--     miles_redeemed: Redeemed, number
--     burn_rate: Burn rate, percent

select
    slice,
    slice_value,
    day,
    balance.outstanding_miles,
    balance.miles_earned,
    balance.miles_redeemed,
    balance.burn_rate,
    kpi.dau,
    day < max(day) over () as is_complete
from reporting.miles_balance_daily as balance
inner join reporting.kpi_daily as kpi using (day, slice, slice_value)
order by slice, slice_value, day;
