-- warehouse.dim_platforms
-- Grain: one row per platform (platform).
-- Rerun: whole; a few rows.
-- Why:   which there are, and since when.

insert into {{ this }} (platform, first_seen_at)
select
    value as platform,
    min(first_seen_at) as first_seen_at
from {{ warehouse }}.agg_daily_values
where dimension = 'platform'
group by value;
