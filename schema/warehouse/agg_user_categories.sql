-- Place: distributed by user_id
create table if not exists {{ warehouse }}.agg_user_categories (
    user_id text not null,
    transaction_category text not null,
    events bigint not null,
    earned_count bigint not null,
    redeemed_count bigint not null,
    search_count bigint not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    affinity numeric not null,
    first_event_date date not null,
    last_event_date date not null,
    last_event_at timestamptz not null,
    constraint agg_user_categories_key primary key (user_id, transaction_category)
);

comment on table {{ warehouse }}.agg_user_categories is
'How much a user uses a category. One row per user and category used.';
comment on column {{ warehouse }}.agg_user_categories.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_categories.transaction_category is
'Category; unknown where the source had none.';
comment on column {{ warehouse }}.agg_user_categories.events is
'Events of the user in the category: earnings, redemptions and searches.';
comment on column {{ warehouse }}.agg_user_categories.earned_count is 'Events that earned miles.';
comment on column {{ warehouse }}.agg_user_categories.redeemed_count is
'Events that redeemed miles.';
comment on column {{ warehouse }}.agg_user_categories.search_count is 'Searches for a reward.';
comment on column {{ warehouse }}.agg_user_categories.miles_earned is 'Miles earned.';
comment on column {{ warehouse }}.agg_user_categories.miles_redeemed is 'Miles redeemed.';
comment on column {{ warehouse }}.agg_user_categories.affinity is
'ln(1 + events): the tenth event says less about a taste than the first.';
comment on column {{ warehouse }}.agg_user_categories.first_event_date is
'Day of the oldest of these events.';
comment on column {{ warehouse }}.agg_user_categories.last_event_date is
'Day of the newest of these events.';
comment on column {{ warehouse }}.agg_user_categories.last_event_at is
'Time of the newest of these events.';
