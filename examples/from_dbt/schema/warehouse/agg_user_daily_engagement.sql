create table if not exists {{ warehouse }}.agg_user_daily_engagement (
    event_date date not null,
    user_id text not null,
    events bigint not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    reward_searches bigint not null,
    shares bigint not null,
    likes bigint not null,
    constraint agg_user_daily_engagement_key primary key (user_id, event_date)
);

create index if not exists agg_user_daily_engagement_day
on {{ warehouse }}.agg_user_daily_engagement (event_date);

comment on table {{ warehouse }}.agg_user_daily_engagement is
'What a user did on a day. One row per user and day with events.';
