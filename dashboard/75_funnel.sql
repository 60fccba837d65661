-- Funnel
-- Question: How many go from searching to earning to redeeming?
-- Meaning:  Of the users whose first event was in the month, and whose first weeks (28 days, the
--           variable conversion_days) are over: those who searched in them, who then earned, and who
--           then redeemed. Each rate is of the step before it, overall of all of them. Days are the
--           median from that search to the earning, and from that earning to the redemption.
-- Base:     eligible_users
-- Width:    half
-- Columns:
--     cohort_start: Joined from
--     users: Users, number
--     eligible_users: Time is over, number
--     search_rate: Searched, percent, bar
--     earn_rate: Then earned, percent, bar
--     redeem_rate: Then redeemed, percent, bar
--     overall_rate: Overall, percent, bar
--     median_days_to_earn: Days to earn, number
--     median_days_to_redeem: Days to redeem, number

select
    funnel.slice,
    funnel.slice_value,
    funnel.cohort_start,
    funnel.users,
    funnel.eligible_users,
    funnel.search_rate,
    funnel.earn_rate,
    funnel.redeem_rate,
    funnel.overall_rate,
    funnel.median_days_to_earn,
    funnel.median_days_to_redeem
from reporting.engagement_funnel as funnel
order by funnel.slice, funnel.slice_value, funnel.cohort_start;
