-- Engagement
-- Question: How often do users act, from a like to a redemption?
-- Meaning:  Events of each type in the period, from light engagement to deep. Users are those with
--           such an event on the day; weeks and months have no such figure, because users of
--           several days cannot be added up. Each panel has its own scale. By day, a country,
--           platform or source is shown for the last 90 days.
-- Base:     base
-- Width:    half
-- Columns:
--     period_start: From
--     event_type: Event type, name
--     events: Events, number
--     users: Users of the day, number

with newest as (
    select max(engagement.day) as day
    from reporting.engagement_daily as engagement
),

grains as (
    select
        grains.grain,
        grains.length
    from (
        values ('day', interval '1 day'), ('week', interval '1 week'), ('month', interval '1 month')
    ) as grains (grain, length)
)

select
    engagement.slice,
    engagement.slice_value,
    grains.grain,
    date_trunc(grains.grain, engagement.day::timestamp)::date as period_start,
    engagement.depth,
    engagement.event_type,
    sum(engagement.events) as events,
    case when grains.grain = 'day' then min(engagement.users) end as users,
    max(engagement.users) as base,
    newest.day >= date_trunc(grains.grain, engagement.day::timestamp) + grains.length as is_complete
from reporting.engagement_daily as engagement
cross join newest
cross join grains
group by
    engagement.slice,
    engagement.slice_value,
    grains.grain,
    grains.length,
    date_trunc(grains.grain, engagement.day::timestamp),
    engagement.depth,
    engagement.event_type,
    newest.day
order by
    engagement.slice,
    engagement.slice_value,
    grains.grain,
    engagement.depth,
    engagement.event_type,
    period_start;
