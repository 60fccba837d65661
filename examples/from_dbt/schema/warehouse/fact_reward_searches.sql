create table if not exists {{ warehouse }}.fact_reward_searches (
    event_id bigint not null,
    event_time timestamptz not null,
    event_date date not null,
    user_id text not null,
    transaction_category text not null,
    platform text,
    utm_source text,
    country text,
    constraint fact_reward_searches_key primary key (event_id)
);

create index if not exists fact_reward_searches_user
on {{ warehouse }}.fact_reward_searches (user_id, event_date);
create index if not exists fact_reward_searches_day on {{ warehouse }}.fact_reward_searches (event_date);

comment on table {{ warehouse }}.fact_reward_searches is 'Searches for rewards. One row per event.';
