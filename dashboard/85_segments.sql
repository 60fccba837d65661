-- Segments
-- Question: Who are the users, and how many of each kind?
-- Meaning:  By rule: champions came on 12 or more of the last 28 days and are in the top fifth by
--           miles; loyal users came on 6 or more; promising ones came within two weeks; those at
--           risk came often and have been away for more than two weeks; hibernating ones came
--           within 90 days; lost ones did not. Clusters are found by k-means from behaviour alone;
--           the most active one comes first, and each is named after what sets it apart. Days away
--           are the days since the last active day; days and miles are medians of the group. Groups
--           of fewer than five users are in other.
-- Columns:
--     kind: By, name
--     name: Segment, name
--     users: Users, number
--     share: Share, percent, bar
--     median_recency_days: Days away, number
--     median_active_days: Active days, number
--     median_miles_earned: Miles earned, number
--     median_miles_redeemed: Miles redeemed, number

select
    segments.kind,
    segments.name || coalesce(': ' || segments.label, '') as name,
    segments.users,
    segments.share,
    segments.median_recency_days,
    segments.median_active_days,
    segments.median_miles_earned,
    segments.median_miles_redeemed
from reporting.user_segments as segments
order by segments.kind desc, segments.users desc, segments.name collate "C";
