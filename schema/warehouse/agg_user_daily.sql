-- Place: distributed by user_id
create table if not exists {{ warehouse }}.agg_user_daily (
    user_id text not null,
    event_date date not null,
    platform text not null,
    utm_source text not null,
    country text not null,
    earned_count integer not null,
    redeemed_count integer not null,
    search_count integer not null,
    share_count integer not null,
    like_count integer not null,
    unclassified_count integer not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    first_event_id {{ source.event_stream.event_id_type }} not null,
    last_event_id {{ source.event_stream.event_id_type }} not null,
    first_event_at timestamptz not null,
    last_event_at timestamptz not null,
    first_earned_at timestamptz,
    constraint agg_user_daily_key primary key (user_id, event_date, platform, utm_source, country)
);

comment on table {{ warehouse }}.agg_user_daily is
'What a user did on a day, by platform, source and country: the atom of user metrics.';
comment on column {{ warehouse }}.agg_user_daily.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_daily.event_date is
'Calendar day of the event in reporting_timezone.';
comment on column {{ warehouse }}.agg_user_daily.platform is 'Platform of the event.';
comment on column {{ warehouse }}.agg_user_daily.utm_source is 'Campaign source of the event.';
comment on column {{ warehouse }}.agg_user_daily.country is 'Country of the event.';
comment on column {{ warehouse }}.agg_user_daily.earned_count is 'Events that earned miles.';
comment on column {{ warehouse }}.agg_user_daily.redeemed_count is 'Events that redeemed miles.';
comment on column {{ warehouse }}.agg_user_daily.search_count is 'Searches for a reward.';
comment on column {{ warehouse }}.agg_user_daily.share_count is 'Shares.';
comment on column {{ warehouse }}.agg_user_daily.like_count is 'Likes.';
comment on column {{ warehouse }}.agg_user_daily.unclassified_count is 'Events of an unknown type.';
comment on column {{ warehouse }}.agg_user_daily.miles_earned is 'Miles earned.';
comment on column {{ warehouse }}.agg_user_daily.miles_redeemed is 'Miles redeemed.';
comment on column {{ warehouse }}.agg_user_daily.first_event_id is
'The oldest of these events; ties go to the smaller key.';
comment on column {{ warehouse }}.agg_user_daily.last_event_id is
'The newest of these events; ties go to the larger key.';
comment on column {{ warehouse }}.agg_user_daily.first_event_at is 'Time of the oldest event.';
comment on column {{ warehouse }}.agg_user_daily.last_event_at is 'Time of the newest event.';
comment on column {{ warehouse }}.agg_user_daily.first_earned_at is
'Time of the oldest event that earned miles; null without one.';
