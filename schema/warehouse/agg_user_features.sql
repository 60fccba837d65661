create table if not exists {{ warehouse }}.agg_user_features (
    user_id text not null,
    recency numeric not null,
    active_days numeric not null,
    earned_count numeric not null,
    redeemed_count numeric not null,
    search_count numeric not null,
    share_count numeric not null,
    like_count numeric not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    category_count numeric not null,
    constraint agg_user_features_key primary key (user_id)
);

comment on table {{ warehouse }}.agg_user_features is
'What users are compared by when clusters are made: logarithms of what they did in all, on scales '
'of mean 0 and deviation 1. One row per user.';
comment on column {{ warehouse }}.agg_user_features.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_features.recency is
'Days from the last active day to the last day of the data.';
comment on column {{ warehouse }}.agg_user_features.active_days is
'Active days.';
comment on column {{ warehouse }}.agg_user_features.earned_count is
'Events that earned miles.';
comment on column {{ warehouse }}.agg_user_features.redeemed_count is
'Events that redeemed miles.';
comment on column {{ warehouse }}.agg_user_features.search_count is
'Searches for rewards.';
comment on column {{ warehouse }}.agg_user_features.share_count is
'Shares.';
comment on column {{ warehouse }}.agg_user_features.like_count is
'Likes.';
comment on column {{ warehouse }}.agg_user_features.miles_earned is
'Miles earned; less than none counts as none.';
comment on column {{ warehouse }}.agg_user_features.miles_redeemed is
'Miles redeemed; less than none counts as none.';
comment on column {{ warehouse }}.agg_user_features.category_count is
'Categories used.';
