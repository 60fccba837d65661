-- Funnel
-- Question: How many go from searching to earning to redeeming?
-- Meaning:  Of the users whose first event was in the month, those who searched, who then earned,
--           and who then redeemed. Each rate is of the step before it. Days are the median from
--           that search to the earning, and from that earning to the redemption. A young month has had
--           less time: its rates still rise.
-- Base:     users
-- Width:    half
-- Columns:
--     cohort_start: Joined from
--     users: Users, number
--     search_rate: Searched, percent, bar
--     earn_rate: Then earned, percent, bar
--     redeem_rate: Then redeemed, percent, bar
--     median_days_to_earn: Days to earn, number
--     median_days_to_redeem: Days to redeem, number

select
    funnel.slice,
    funnel.slice_value,
    funnel.cohort_start,
    funnel.users,
    funnel.search_rate,
    funnel.earn_rate,
    funnel.redeem_rate,
    funnel.median_days_to_earn,
    funnel.median_days_to_redeem
from reporting.engagement_funnel as funnel
order by funnel.slice, funnel.slice_value, funnel.cohort_start;
