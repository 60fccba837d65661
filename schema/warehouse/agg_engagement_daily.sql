-- Place: local
create table if not exists {{ warehouse }}.agg_engagement_daily (
    slice text not null,
    slice_value text not null,
    event_date date not null,
    users bigint not null,
    events bigint not null,
    earning_users bigint not null,
    earned_count bigint not null,
    redeeming_users bigint not null,
    redeemed_count bigint not null,
    searching_users bigint not null,
    search_count bigint not null,
    sharing_users bigint not null,
    share_count bigint not null,
    liking_users bigint not null,
    like_count bigint not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    constraint agg_engagement_daily_key primary key (slice, slice_value, event_date)
);

comment on table {{ warehouse }}.agg_engagement_daily is
'Events and users of a day in a slice, all and per event type. Kept by agg_user_daily.';
comment on column {{ warehouse }}.agg_engagement_daily.slice is
'all, country, platform or utm_source.';
comment on column {{ warehouse }}.agg_engagement_daily.slice_value is 'Member of the slice.';
comment on column {{ warehouse }}.agg_engagement_daily.event_date is
'Calendar day of the event in reporting_timezone.';
comment on column {{ warehouse }}.agg_engagement_daily.users is 'Users with an event that counts.';
comment on column {{ warehouse }}.agg_engagement_daily.events is 'Events that count.';
comment on column {{ warehouse }}.agg_engagement_daily.earning_users is 'Users who earned miles.';
comment on column {{ warehouse }}.agg_engagement_daily.earned_count is 'Events that earned miles.';
comment on column {{ warehouse }}.agg_engagement_daily.redeeming_users is
'Users who redeemed miles.';
comment on column {{ warehouse }}.agg_engagement_daily.redeemed_count is
'Events that redeemed miles.';
comment on column {{ warehouse }}.agg_engagement_daily.searching_users is
'Users who searched for a reward.';
comment on column {{ warehouse }}.agg_engagement_daily.search_count is 'Searches for a reward.';
comment on column {{ warehouse }}.agg_engagement_daily.sharing_users is 'Users who shared.';
comment on column {{ warehouse }}.agg_engagement_daily.share_count is 'Shares.';
comment on column {{ warehouse }}.agg_engagement_daily.liking_users is 'Users who liked.';
comment on column {{ warehouse }}.agg_engagement_daily.like_count is 'Likes.';
comment on column {{ warehouse }}.agg_engagement_daily.miles_earned is 'Miles earned.';
comment on column {{ warehouse }}.agg_engagement_daily.miles_redeemed is 'Miles redeemed.';
