-- Segments
-- Question: Who are the users, and how many of each kind?
-- Meaning:  By rule: champions come on 12 days of the last 28 and are in the top fifth of miles;
--           loyal come on 6; promising came within two weeks; at risk were frequent and have been
--           away for more than two weeks; hibernating came within 90 days; lost have not. Clusters
--           are found by k-means on the behaviour alone, the most active one first, and named by
--           what sets them apart. Days away are those since the last active day; days and miles are
--           medians of the group. Groups of fewer than five users are in other.
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
