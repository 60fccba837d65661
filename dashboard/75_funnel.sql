-- Funnel
-- Question: How many go from joining to searching, earning and redeeming?
-- Meaning:  A row is a cohort: the users whose first event was in the month. Counted are those of
--           them whose first 28 days (the variable conversion_days) are over. The shares are of
--           these users: who searched in that time, who earned after that, and who then redeemed.
--           Days are the median from that search to the earning, and from that earning to the
--           redemption. The bars add up the cohorts of the range of which everybody is counted, and
--           beside them those of which only some are. In the first month of the data everybody
--           counts as new.
-- Show:     beside
-- Base:     eligible_users
-- Columns:
--     cohort_start: Joined in
--     users: Users, number
--     eligible_users: Counted, number
--     search_share: Searched, percent, bar
--     earn_share: Then earned, percent, bar
--     redeem_share: Then redeemed, percent, bar
--     median_days_to_earn: Days to earn, number
--     median_days_to_redeem: Days to redeem, number

select
    'month' as grain,
    funnel.slice,
    funnel.slice_value,
    funnel.cohort_start,
    funnel.users,
    funnel.eligible_users,
    funnel.searched,
    funnel.earned,
    funnel.redeemed,
    funnel.search_rate as search_share,
    round(funnel.earned::numeric / nullif(funnel.eligible_users, 0), 6) as earn_share,
    funnel.overall_rate as redeem_share,
    funnel.median_days_to_earn,
    funnel.median_days_to_redeem,
    funnel.is_complete
from reporting.engagement_funnel as funnel
order by funnel.slice, funnel.slice_value, funnel.cohort_start;
