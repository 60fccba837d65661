create table if not exists {{ warehouse }}.dim_utm_sources (
    utm_source text not null,
    first_seen_at timestamptz not null,
    constraint dim_utm_sources_key primary key (utm_source)
);

comment on table {{ warehouse }}.dim_utm_sources is 'One row per source of users.';
