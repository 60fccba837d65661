-- warehouse.agg_campaign_costs
-- Grain: one row per source and month that a cost was given for (utm_source, month).
-- Rerun: whole.
-- Why:   what a source cost in a month stays as it was: what it costs today charges no other month.
--        A source is named as an event names it, and any day stands for its month.

insert into {{ this }} (utm_source, month, cost)
select
    {{ warehouse }}.member(utm_source) as utm_source,
    {{ warehouse }}.month_start(month) as month,
    trim_scale(sum(cost)::numeric) as cost
from {{ raw }}.raw_campaign_costs
where
    -- As times of events are: what is far away is no timestamp either, and infinity no month.
    month >= '2000-01-01' and month < '9999-12-30'
    -- NaN is above infinity; a source may have whole numbers, which have neither.
    and cost::numeric > '-infinity' and cost::numeric < 'infinity'
group by {{ warehouse }}.member(utm_source), {{ warehouse }}.month_start(month);
