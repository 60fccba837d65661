create table if not exists {{ warehouse }}.agg_user_funnels (
    user_id text not null,
    slice text not null,
    slice_value text not null,
    first_day date not null,
    search_date date,
    searched_at timestamptz,
    earn_date date,
    earned_at timestamptz,
    redeem_date date,
    redeemed_at timestamptz,
    constraint agg_user_funnels_key primary key (user_id, slice, slice_value)
);

comment on table {{ warehouse }}.agg_user_funnels is
'How far a user came from search to earn to redeem. One row per user and slice value with an event '
'that counts.';
comment on column {{ warehouse }}.agg_user_funnels.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_funnels.slice is 'all, country, platform or utm_source.';
comment on column {{ warehouse }}.agg_user_funnels.slice_value is
'Member of the slice; all in slice all.';
comment on column {{ warehouse }}.agg_user_funnels.first_day is 'Day of the first event.';
comment on column {{ warehouse }}.agg_user_funnels.search_date is
'Day of the first search; null without one.';
comment on column {{ warehouse }}.agg_user_funnels.searched_at is 'Time of that search.';
comment on column {{ warehouse }}.agg_user_funnels.earn_date is
'Day of the first earning after that search; null without one. Events at the same time are in the '
'order of their keys.';
comment on column {{ warehouse }}.agg_user_funnels.earned_at is 'Time of that earning.';
comment on column {{ warehouse }}.agg_user_funnels.redeem_date is
'Day of the first redemption after that earning; null without one.';
comment on column {{ warehouse }}.agg_user_funnels.redeemed_at is 'Time of that redemption.';
