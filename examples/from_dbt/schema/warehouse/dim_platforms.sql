create table if not exists {{ warehouse }}.dim_platforms (
    platform text not null,
    first_seen_at timestamptz not null,
    constraint dim_platforms_key primary key (platform)
);

comment on table {{ warehouse }}.dim_platforms is 'One row per platform.';
