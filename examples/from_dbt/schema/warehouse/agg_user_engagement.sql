create table if not exists {{ warehouse }}.agg_user_engagement (
    user_id text not null,
    country text,
    first_utm_source text,
    first_seen_at timestamptz not null,
    first_active_date date not null,
    last_active_date date not null,
    active_days bigint not null,
    events bigint not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    reward_searches bigint not null,
    shares bigint not null,
    likes bigint not null,
    constraint agg_user_engagement_key primary key (user_id)
);

comment on table {{ warehouse }}.agg_user_engagement is
'What a user has done so far. One row per user.';
