-- Place: distributed by user_id
create table if not exists {{ warehouse }}.agg_user_engagement (
    user_id text not null,
    active_days_lifetime integer not null,
    event_count_lifetime bigint not null,
    miles_earned_lifetime numeric not null,
    miles_redeemed_lifetime numeric not null,
    depth_lifetime integer not null,
    favourite_category_lifetime text,
    active_days_7d integer not null,
    event_count_7d bigint not null,
    miles_earned_7d numeric not null,
    miles_redeemed_7d numeric not null,
    depth_7d integer not null,
    favourite_category_7d text,
    active_days_28d integer not null,
    event_count_28d bigint not null,
    miles_earned_28d numeric not null,
    miles_redeemed_28d numeric not null,
    depth_28d integer not null,
    favourite_category_28d text,
    active_days_90d integer not null,
    event_count_90d bigint not null,
    miles_earned_90d numeric not null,
    miles_redeemed_90d numeric not null,
    depth_90d integer not null,
    favourite_category_90d text,
    earned_count_lifetime bigint not null,
    redeemed_count_lifetime bigint not null,
    search_count_lifetime bigint not null,
    share_count_lifetime bigint not null,
    like_count_lifetime bigint not null,
    category_count_lifetime bigint not null,
    last_active_day date not null,
    first_earned_at timestamptz,
    constraint agg_user_engagement_key primary key (user_id)
);

comment on table {{ warehouse }}.agg_user_engagement is
'How much and how deeply a user is engaged: lifetime, and windows that end on the user''s last '
'active day. One row per user.';
comment on column {{ warehouse }}.agg_user_engagement.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_engagement.active_days_lifetime is
'Days with an event, lifetime.';
comment on column {{ warehouse }}.agg_user_engagement.event_count_lifetime is 'Events, lifetime.';
comment on column {{ warehouse }}.agg_user_engagement.miles_earned_lifetime is 'Miles ever earned.';
comment on column {{ warehouse }}.agg_user_engagement.miles_redeemed_lifetime is
'Miles ever redeemed.';
comment on column {{ warehouse }}.agg_user_engagement.depth_lifetime is
'Deepest engagement, lifetime: 1 like to 5 redeem; 0 without.';
comment on column {{ warehouse }}.agg_user_engagement.favourite_category_lifetime is
'Category with the most events, lifetime; ties by name (C order); null without one.';
comment on column {{ warehouse }}.agg_user_engagement.active_days_7d is
'Days with an event in the 7 days that end on last_active_day.';
comment on column {{ warehouse }}.agg_user_engagement.event_count_7d is
'Events in the 7 days that end on last_active_day.';
comment on column {{ warehouse }}.agg_user_engagement.miles_earned_7d is
'Miles earned in the 7 days that end on last_active_day.';
comment on column {{ warehouse }}.agg_user_engagement.miles_redeemed_7d is
'Miles redeemed in the 7 days that end on last_active_day.';
comment on column {{ warehouse }}.agg_user_engagement.depth_7d is
'Deepest engagement in the 7 days that end on last_active_day: 1 like to 5 redeem; 0 without.';
comment on column {{ warehouse }}.agg_user_engagement.favourite_category_7d is
'Category with the most events in the 7 days that end on last_active_day; ties by name; null '
'without one.';
comment on column {{ warehouse }}.agg_user_engagement.active_days_28d is
'Days with an event in the 28 days that end on last_active_day.';
comment on column {{ warehouse }}.agg_user_engagement.event_count_28d is
'Events in the 28 days that end on last_active_day.';
comment on column {{ warehouse }}.agg_user_engagement.miles_earned_28d is
'Miles earned in the 28 days that end on last_active_day.';
comment on column {{ warehouse }}.agg_user_engagement.miles_redeemed_28d is
'Miles redeemed in the 28 days that end on last_active_day.';
comment on column {{ warehouse }}.agg_user_engagement.depth_28d is
'Deepest engagement in the 28 days that end on last_active_day: 1 like to 5 redeem; 0 without.';
comment on column {{ warehouse }}.agg_user_engagement.favourite_category_28d is
'Category with the most events in the 28 days that end on last_active_day; ties by name; null '
'without one.';
comment on column {{ warehouse }}.agg_user_engagement.active_days_90d is
'Days with an event in the 90 days that end on last_active_day.';
comment on column {{ warehouse }}.agg_user_engagement.event_count_90d is
'Events in the 90 days that end on last_active_day.';
comment on column {{ warehouse }}.agg_user_engagement.miles_earned_90d is
'Miles earned in the 90 days that end on last_active_day.';
comment on column {{ warehouse }}.agg_user_engagement.miles_redeemed_90d is
'Miles redeemed in the 90 days that end on last_active_day.';
comment on column {{ warehouse }}.agg_user_engagement.depth_90d is
'Deepest engagement in the 90 days that end on last_active_day: 1 like to 5 redeem; 0 without.';
comment on column {{ warehouse }}.agg_user_engagement.favourite_category_90d is
'Category with the most events in the 90 days that end on last_active_day; ties by name; null '
'without one.';
comment on column {{ warehouse }}.agg_user_engagement.earned_count_lifetime is
'Events that earned miles, lifetime.';
comment on column {{ warehouse }}.agg_user_engagement.redeemed_count_lifetime is
'Events that redeemed miles, lifetime.';
comment on column {{ warehouse }}.agg_user_engagement.search_count_lifetime is
'Searches for rewards, lifetime.';
comment on column {{ warehouse }}.agg_user_engagement.share_count_lifetime is 'Shares, lifetime.';
comment on column {{ warehouse }}.agg_user_engagement.like_count_lifetime is 'Likes, lifetime.';
comment on column {{ warehouse }}.agg_user_engagement.category_count_lifetime is
'Categories with an event of the user, lifetime.';
comment on column {{ warehouse }}.agg_user_engagement.last_active_day is 'Day of the newest event.';
comment on column {{ warehouse }}.agg_user_engagement.first_earned_at is
'Time of the first event that earned miles; null without one.';
