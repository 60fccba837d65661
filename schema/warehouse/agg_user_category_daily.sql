-- Place: distributed by user_id
create table if not exists {{ warehouse }}.agg_user_category_daily (
    user_id text not null,
    transaction_category text not null,
    event_date date not null,
    platform text not null,
    utm_source text not null,
    country text not null,
    earned_count integer not null,
    redeemed_count integer not null,
    search_count integer not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    last_event_at timestamptz not null,
    constraint agg_user_category_daily_key primary key (
        user_id, transaction_category, event_date, platform, utm_source, country
    )
);

comment on table {{ warehouse }}.agg_user_category_daily is
'What a user did in a category on a day, by platform, source and country: the atom of category '
'metrics.';
comment on column {{ warehouse }}.agg_user_category_daily.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_category_daily.transaction_category is
'Category; unknown where the source had none.';
comment on column {{ warehouse }}.agg_user_category_daily.event_date is
'Calendar day of the event in reporting_timezone.';
comment on column {{ warehouse }}.agg_user_category_daily.platform is 'Platform of the event.';
comment on column {{ warehouse }}.agg_user_category_daily.utm_source is
'Campaign source of the event.';
comment on column {{ warehouse }}.agg_user_category_daily.country is 'Country of the event.';
comment on column {{ warehouse }}.agg_user_category_daily.earned_count is
'Events that earned miles.';
comment on column {{ warehouse }}.agg_user_category_daily.redeemed_count is
'Events that redeemed miles.';
comment on column {{ warehouse }}.agg_user_category_daily.search_count is 'Searches for a reward.';
comment on column {{ warehouse }}.agg_user_category_daily.miles_earned is 'Miles earned.';
comment on column {{ warehouse }}.agg_user_category_daily.miles_redeemed is 'Miles redeemed.';
comment on column {{ warehouse }}.agg_user_category_daily.last_event_at is
'Time of the newest of these events.';
