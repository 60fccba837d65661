-- warehouse.dim_utm_sources
-- Grain: one row per utm_source (utm_source).
-- Rerun: whole.
-- Why:   a source of users beside what marketing knows of it; a source that it does not know stays.
--        Of campaigns that share a member, as an empty name and unknown do, the first is the one. A
--        cost that is no finite number is none.

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
),

campaigns as (
    select distinct on ({{ warehouse }}.member(utm_source))
        {{ warehouse }}.member(utm_source) as utm_source,
        campaign, channel, is_paid,
        -- NaN is above infinity; a source may have whole numbers, which have neither.
        case
            when
                monthly_cost::numeric > '-infinity' and monthly_cost::numeric < 'infinity'
                then trim_scale(monthly_cost::numeric)
        end as monthly_cost
    from {{ raw }}.raw_utm_campaigns
    order by {{ warehouse }}.member(utm_source), raw_utm_campaigns.utm_source collate "C"
)

select
    utm_source, campaign, channel, is_paid, monthly_cost, first_seen_date
from sources
left join campaigns using (utm_source);
