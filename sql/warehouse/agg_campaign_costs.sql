-- warehouse.agg_campaign_costs
-- Grain: one row per source and month with a cost (utm_source, month).
-- Rerun: whole.
-- Why:   a month is charged what the source cost then, not what it costs today. Sources are named
--        as in events, and any day stands for its month.

insert into {{ this }} (utm_source, month, cost)
select
    {{ warehouse }}.member(utm_source) as utm_source,
    {{ warehouse }}.month_start(month) as month,
    trim_scale(sum(cost)::numeric) as cost
from {{ raw }}.raw_campaign_costs
where
    -- The same range as for times of events; infinity is in no month.
    month >= '2000-01-01' and month < '9999-12-30'
    -- NaN sorts above infinity. Cast, because a source may have integers, which have neither.
    and cost::numeric > '-infinity' and cost::numeric < 'infinity'
group by {{ warehouse }}.member(utm_source), {{ warehouse }}.month_start(month);
