-- Miles balance
-- Question: What does the programme owe, and how fast is it spent?
-- Meaning:  Outstanding miles are all miles earned up to the end of the period less all redeemed:
--           what the programme owes. Burn rate is miles redeemed for each mile earned over the 28
--           days that end with the period; there is none while none were earned. Open dots: the
--           period is not over. By day, a country, platform or source is shown for the last 90
--           days.
-- Base:     base
-- With:     miles
-- Width:    half
-- Columns:
--     period_start: From
--     outstanding_miles: Outstanding, number, balance
--     miles_earned: Earned, number
--     miles_redeemed: Redeemed, number
--     burn_rate: Burn rate, percent

select
    periods.slice,
    periods.slice_value,
    periods.grain,
    periods.period_start,
    periods.outstanding_miles,
    periods.miles_earned,
    periods.miles_redeemed,
    balance.burn_rate,
    coalesce(
        least(nullif(periods.earning_users, 0), nullif(periods.redeeming_users, 0)), 0
    ) as base,
    periods.is_complete
from reporting.kpi_periods as periods
left join reporting.miles_balance_daily as balance
    on
        balance.slice = periods.slice
        and balance.slice_value = periods.slice_value
        and balance.day = least(
            (periods.period_start + ('1 ' || periods.grain)::interval)::date - 1,
            (select max(newest.day) from reporting.miles_balance_daily as newest)
        )
order by periods.slice, periods.slice_value, periods.grain, periods.period_start;
