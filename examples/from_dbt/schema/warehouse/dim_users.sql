create table if not exists {{ warehouse }}.dim_users (
    user_id text not null,
    first_seen_at timestamptz not null,
    first_seen_date date not null,
    country text,
    first_utm_source text,
    constraint dim_users_key primary key (user_id)
);

comment on table {{ warehouse }}.dim_users is
'Users with country and source of their first event. One row per user.';
