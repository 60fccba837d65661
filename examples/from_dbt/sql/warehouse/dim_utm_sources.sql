-- warehouse.dim_utm_sources
-- Grain: one row per source of users (utm_source).
-- Rerun: whole; a few rows.
-- Why:   which there are, and since when.

insert into {{ this }} (utm_source, first_seen_at)
select
    value as utm_source,
    min(first_seen_at) as first_seen_at
from {{ warehouse }}.agg_daily_values
where dimension = 'utm_source'
group by value;
