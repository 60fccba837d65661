-- warehouse.dim_platforms
-- Grain: one row per platform (platform).
-- Rerun: whole.
-- Why:   the list of platforms, and the first day of each.

insert into {{ this }} (
    platform, first_seen_date
)
select
    slice_value as platform,
    min(event_date) as first_seen_date
from {{ warehouse }}.agg_engagement_daily
where slice = 'platform'
group by slice_value;
