-- warehouse.dim_platforms
-- Grain: one row per platform (platform).
-- Rerun: whole.
-- Why:   which members there are, and since when.

insert into {{ this }} (
    platform,
    first_seen_date
)
select
    engagement.slice_value as platform,
    min(engagement.event_date) as first_seen_date
from {{ warehouse }}.agg_engagement_daily as engagement
where engagement.slice = 'platform'
group by engagement.slice_value;
