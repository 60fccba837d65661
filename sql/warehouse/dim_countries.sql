-- warehouse.dim_countries
-- Grain: one row per country (country).
-- Rerun: whole.
-- Why:   the list of countries, and the first day of each.

insert into {{ this }} (
    country, first_seen_date
)
select
    slice_value as country,
    min(event_date) as first_seen_date
from {{ warehouse }}.agg_engagement_daily
where slice = 'country'
group by slice_value;
