create table if not exists {{ warehouse }}.agg_user_monthly (
    user_id text not null,
    month date not null,
    earned_count bigint not null,
    redeemed_count bigint not null,
    search_count bigint not null,
    share_count bigint not null,
    like_count bigint not null,
    unclassified_count bigint not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    first_earned_at timestamptz,
    constraint agg_user_monthly_key primary key (user_id, month)
);

comment on table {{ warehouse }}.agg_user_monthly is
'What a user did in a month. One row per user and month with an event.';
comment on column {{ warehouse }}.agg_user_monthly.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_monthly.month is 'First day of the month.';
comment on column {{ warehouse }}.agg_user_monthly.earned_count is 'Events that earned miles.';
comment on column {{ warehouse }}.agg_user_monthly.redeemed_count is 'Events that redeemed miles.';
comment on column {{ warehouse }}.agg_user_monthly.search_count is 'Searches for a reward.';
comment on column {{ warehouse }}.agg_user_monthly.share_count is 'Shares.';
comment on column {{ warehouse }}.agg_user_monthly.like_count is 'Likes.';
comment on column {{ warehouse }}.agg_user_monthly.unclassified_count is 'Events of unknown types.';
comment on column {{ warehouse }}.agg_user_monthly.miles_earned is 'Miles earned.';
comment on column {{ warehouse }}.agg_user_monthly.miles_redeemed is 'Miles redeemed.';
comment on column {{ warehouse }}.agg_user_monthly.first_earned_at is
'Time of the first event of the month that earned miles; null without one.';
