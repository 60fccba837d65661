-- Place: distributed by user_id
create table if not exists {{ warehouse }}.agg_user_features (
    user_id text not null,
    active_days numeric not null,
    likes numeric not null,
    shares numeric not null,
    searches numeric not null,
    earns numeric not null,
    redeems numeric not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    categories numeric not null,
    constraint agg_user_features_key primary key (user_id)
);

comment on table {{ warehouse }}.agg_user_features is
'What decides which cluster a user is in, except recency: ln(1 + x) of lifetime figures. One row '
'per user.';
comment on column {{ warehouse }}.agg_user_features.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_features.active_days is 'Active days.';
comment on column {{ warehouse }}.agg_user_features.likes is 'Likes.';
comment on column {{ warehouse }}.agg_user_features.shares is 'Shares.';
comment on column {{ warehouse }}.agg_user_features.searches is 'Searches for rewards.';
comment on column {{ warehouse }}.agg_user_features.earns is 'Events that earned miles.';
comment on column {{ warehouse }}.agg_user_features.redeems is 'Events that redeemed miles.';
comment on column {{ warehouse }}.agg_user_features.miles_earned is
'Miles earned; a negative sum counts as 0.';
comment on column {{ warehouse }}.agg_user_features.miles_redeemed is
'Miles redeemed; a negative sum counts as 0.';
comment on column {{ warehouse }}.agg_user_features.categories is 'Categories used.';
