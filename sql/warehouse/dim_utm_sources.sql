-- warehouse.dim_utm_sources
-- Grain: one row per utm_source (utm_source).
-- Rerun: whole.
-- Why:   a source of users beside what marketing knows of it; a source that it does not know stays.

insert into {{ this }} (
    utm_source, campaign, channel, is_paid, monthly_cost, first_seen_date
)
with sources as (
    select
        slice_value as utm_source,
        min(event_date) as first_seen_date
    from {{ warehouse }}.agg_engagement_daily
    where slice = 'utm_source'
    group by slice_value
)

select
    sources.utm_source, campaigns.campaign, campaigns.channel, campaigns.is_paid,
    campaigns.monthly_cost, sources.first_seen_date
from sources
left join {{ raw }}.raw_utm_campaigns as campaigns
    on {{ warehouse }}.member(campaigns.utm_source) = sources.utm_source;
