-- Place: local
create table if not exists {{ warehouse }}.dim_platforms (
    platform text not null,
    first_seen_date date not null,
    constraint dim_platforms_key primary key (platform)
);

comment on table {{ warehouse }}.dim_platforms is
'Platforms. One row per platform seen in an event.';
comment on column {{ warehouse }}.dim_platforms.platform is 'The platform.';
comment on column {{ warehouse }}.dim_platforms.first_seen_date is 'Day of its oldest event.';
