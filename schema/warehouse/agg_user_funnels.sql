-- Place: distributed by user_id
create table if not exists {{ warehouse }}.agg_user_funnels (
    user_id text not null,
    slice text not null,
    slice_value text not null,
    first_day date not null,
    first_at timestamptz not null,
    over_on date not null,
    searched_at timestamptz,
    earned_at timestamptz,
    redeemed_at timestamptz,
    has_earned boolean not null,
    has_redeemed boolean not null,
    constraint agg_user_funnels_key primary key (user_id, slice, slice_value)
) with (fillfactor = 70);

comment on table {{ warehouse }}.agg_user_funnels is
'How far a user came from search to earn to redeem within conversion_days x 24 hours of the first '
'event. One row per user and slice value with an event that counts.';
comment on column {{ warehouse }}.agg_user_funnels.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_funnels.slice is 'all, country, platform or utm_source.';
comment on column {{ warehouse }}.agg_user_funnels.slice_value is
'Member of the slice; all in slice all.';
comment on column {{ warehouse }}.agg_user_funnels.first_day is 'Day of the first event.';
comment on column {{ warehouse }}.agg_user_funnels.first_at is 'Time of the first event.';
comment on column {{ warehouse }}.agg_user_funnels.over_on is
'First day at whose start these hours are over.';
comment on column {{ warehouse }}.agg_user_funnels.searched_at is
'Time of the first search; null without one.';
comment on column {{ warehouse }}.agg_user_funnels.earned_at is
'Time of the first earning after that search; null without one. Events at the same time are in the '
'order of their keys.';
comment on column {{ warehouse }}.agg_user_funnels.redeemed_at is
'Time of the first redemption after that earning; null without one.';
comment on column {{ warehouse }}.agg_user_funnels.has_earned is
'Whether the user earned miles within these hours, with or without a search before.';
comment on column {{ warehouse }}.agg_user_funnels.has_redeemed is
'Whether the user redeemed miles within these hours, in any order.';

-- For the users whose hours are over on some day, and for those of a cohort.
create index if not exists agg_user_funnels_over_on
on {{ warehouse }}.agg_user_funnels (over_on);
