-- Active users
-- Question: How many come, and how many come back?
-- Meaning:  Different users with an event that counts: on the day (daily), in the 7 days ending with
--           it (weekly) and in the 28 days (monthly). Stickiness is the mean of daily users over
--           these 28 days / monthly users. Until 28 days lie behind, the monthly window is still
--           filling, and the curve rises with it. Open dots: the last day still runs.
-- Width:    half
-- Columns:
--     day: Day
--     mau: Monthly, number
--     wau: Weekly, number
--     dau: Daily, number
--     stickiness: Stickiness, percent
--     window: 28-day window, text

select
    activity.slice,
    activity.slice_value,
    activity.day,
    activity.dau,
    activity.wau,
    activity.mau,
    activity.stickiness,
    case when activity.is_window_full then 'full' else 'filling' end as "window",
    activity.day < max(activity.day) over () as is_complete
from reporting.active_users_daily as activity
order by activity.slice, activity.slice_value, activity.day;
