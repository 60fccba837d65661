-- warehouse.dim_utm_sources
-- Grain: one row per utm_source (utm_source).
-- Rerun: whole.
-- Why:   each source of users with what marketing knows of it; sources that marketing does not know
--        stay. Of several campaigns that stand for one source, as an empty name and unknown do, the
--        first counts. A cost that is not a finite number is null.

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
        -- NaN sorts above infinity. Cast, because a source may have integers, which have neither.
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
