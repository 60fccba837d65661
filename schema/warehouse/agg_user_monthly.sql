-- Place: distributed by user_id
create table if not exists {{ warehouse }}.agg_user_monthly (
    user_id text not null,
    month date not null,
    platform text not null,
    utm_source text not null,
    country text not null,
    earned_count bigint not null,
    redeemed_count bigint not null,
    search_count bigint not null,
    share_count bigint not null,
    like_count bigint not null,
    unclassified_count bigint not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    first_earned_at timestamptz,
    active_days integer not null,
    earning_days integer not null,
    redeeming_days integer not null,
    first_month date not null,
    first_month_on_platform date not null,
    first_month_from_source date not null,
    first_month_in_country date not null,
    constraint agg_user_monthly_key primary key (user_id, month, platform, utm_source, country)
);

comment on table {{ warehouse }}.agg_user_monthly is
'What a user did in a month, by platform, source and country. One row for each of these with an '
'event. Days are bits of a number: 1 is the first of the month, 2 the second, 4 the third.';
comment on column {{ warehouse }}.agg_user_monthly.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_monthly.month is 'First day of the month.';
comment on column {{ warehouse }}.agg_user_monthly.platform is 'Platform of the event.';
comment on column {{ warehouse }}.agg_user_monthly.utm_source is 'Campaign source of the event.';
comment on column {{ warehouse }}.agg_user_monthly.country is 'Country of the event.';
comment on column {{ warehouse }}.agg_user_monthly.earned_count is 'Events that earned miles.';
comment on column {{ warehouse }}.agg_user_monthly.redeemed_count is 'Events that redeemed miles.';
comment on column {{ warehouse }}.agg_user_monthly.search_count is 'Searches for a reward.';
comment on column {{ warehouse }}.agg_user_monthly.share_count is 'Shares.';
comment on column {{ warehouse }}.agg_user_monthly.like_count is 'Likes.';
comment on column {{ warehouse }}.agg_user_monthly.unclassified_count is 'Events of unknown types.';
comment on column {{ warehouse }}.agg_user_monthly.miles_earned is 'Miles earned.';
comment on column {{ warehouse }}.agg_user_monthly.miles_redeemed is 'Miles redeemed.';
comment on column {{ warehouse }}.agg_user_monthly.first_earned_at is
'Time of the first of these events that earned miles; null without one.';
comment on column {{ warehouse }}.agg_user_monthly.active_days is 'Days with an event, as bits.';
comment on column {{ warehouse }}.agg_user_monthly.earning_days is
'Days with an event that earned miles, as bits.';
comment on column {{ warehouse }}.agg_user_monthly.redeeming_days is
'Days with an event that redeemed miles, as bits.';
comment on column {{ warehouse }}.agg_user_monthly.first_month is
'The first month in which the user was active.';
comment on column {{ warehouse }}.agg_user_monthly.first_month_on_platform is
'The first month in which the user was active on this platform.';
comment on column {{ warehouse }}.agg_user_monthly.first_month_from_source is
'The first month in which the user was active from this source.';
comment on column {{ warehouse }}.agg_user_monthly.first_month_in_country is
'The first month in which the user was active in this country.';
