-- Place: local
create table if not exists {{ warehouse }}.agg_campaign_costs (
    utm_source text not null,
    month date not null,
    cost numeric not null,
    constraint agg_campaign_costs_key primary key (utm_source, month)
);

comment on table {{ warehouse }}.agg_campaign_costs is
'What a source of users cost in a month. One row per source and month that was given.';
comment on column {{ warehouse }}.agg_campaign_costs.utm_source is 'The source.';
comment on column {{ warehouse }}.agg_campaign_costs.month is 'First day of the month.';
comment on column {{ warehouse }}.agg_campaign_costs.cost is
'What the source cost in it, of all rows together.';
