-- Place: local
create table if not exists {{ warehouse }}.dim_utm_sources (
    utm_source text not null,
    campaign text,
    channel text,
    is_paid boolean,
    monthly_cost numeric,
    first_seen_date date not null,
    constraint dim_utm_sources_key primary key (utm_source)
);

comment on table {{ warehouse }}.dim_utm_sources is
'Sources that bring users. One row per utm_source seen in an event.';
comment on column {{ warehouse }}.dim_utm_sources.utm_source is 'The source.';
comment on column {{ warehouse }}.dim_utm_sources.campaign is 'Campaign, where marketing knows it.';
comment on column {{ warehouse }}.dim_utm_sources.channel is 'Channel, where marketing knows it.';
comment on column {{ warehouse }}.dim_utm_sources.is_paid is
'Whether it costs money; null where nothing is known.';
comment on column {{ warehouse }}.dim_utm_sources.monthly_cost is
'What it costs a month now; null where nothing is known.';
comment on column {{ warehouse }}.dim_utm_sources.first_seen_date is 'Day of its oldest event.';
