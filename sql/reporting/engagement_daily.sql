-- reporting.engagement_daily
-- Grain: one row per day, event type and slice value with an event
--        (day, event_type, slice, slice_value).
-- Rerun: changed keys; in each changed slice value, the days from the first change on. Unknown
--        types are counted from fact_unclassified_events, which is small when the source is clean.
-- Why:   what users do, from the lightest engagement to the deepest. The only report with types
--        that are no activity.

delete from {{ this }} as report
{{ incremental }} using {{ warehouse }}.changed_slices as changed
{{ incremental }} where report.slice = changed.slice
{{ incremental }}     and report.slice_value = changed.slice_value
{{ incremental }}     and day >= since
;

insert into {{ this }} (
    day, event_type, depth, slice, slice_value, events, users, is_complete
)
select
    event_date as day,
    counts.event_type, depth, slice, slice_value, counts.events, counts.users,
    event_date < last_day as is_complete
from {{ warehouse }}.agg_engagement_daily
cross join {{ warehouse }}.last_day
{{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
cross join lateral (
    values
    ('miles_earned', earned_count, earning_users),
    ('miles_redeemed', redeemed_count, redeeming_users),
    ('reward_search', search_count, searching_users),
    ('share', share_count, sharing_users),
    ('like', like_count, liking_users)
) as counts (event_type, events, users)
inner join {{ warehouse }}.dim_event_types as types on types.event_type = counts.event_type
where
    counts.events > 0
    {{ incremental }} and event_date >= since
union all
select
    event_date as day,
    event_type, depth, slice, slice_value,
    count(*) as events,
    count(distinct user_id) as users,
    event_date < last_day as is_complete
from {{ warehouse }}.fact_unclassified_events
inner join {{ warehouse }}.last_day on event_date <= last_day
inner join {{ warehouse }}.dim_event_types using (event_type)
cross join lateral {{ warehouse }}.slices('all', country, platform, utm_source)
{{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
where
    reason = 'unknown event type'
    {{ incremental }} and event_date >= since
group by event_date, event_type, depth, slice, slice_value, last_day;
