-- Place: local
create table if not exists {{ warehouse }}.agg_category_engagement (
    transaction_category text not null,
    users bigint not null,
    events bigint not null,
    earned_count bigint not null,
    redeemed_count bigint not null,
    search_count bigint not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    share_of_events numeric not null,
    events_28d bigint not null,
    events_28d_before bigint not null,
    trend_28d numeric,
    first_event_date date not null,
    last_event_date date not null,
    constraint agg_category_engagement_key primary key (transaction_category)
);

comment on table {{ warehouse }}.agg_category_engagement is
'Lifetime figures of a category. One row per category.';
comment on column {{ warehouse }}.agg_category_engagement.transaction_category is
'Category; unknown where the source had none.';
comment on column {{ warehouse }}.agg_category_engagement.users is
'Distinct users with an event in the category.';
comment on column {{ warehouse }}.agg_category_engagement.events is
'Events in the category: earnings, redemptions and searches.';
comment on column {{ warehouse }}.agg_category_engagement.earned_count is
'Events that earned miles.';
comment on column {{ warehouse }}.agg_category_engagement.redeemed_count is
'Events that redeemed miles.';
comment on column {{ warehouse }}.agg_category_engagement.search_count is 'Searches for a reward.';
comment on column {{ warehouse }}.agg_category_engagement.miles_earned is 'Miles earned.';
comment on column {{ warehouse }}.agg_category_engagement.miles_redeemed is 'Miles redeemed.';
comment on column {{ warehouse }}.agg_category_engagement.share_of_events is
'Events / events of all categories.';
comment on column {{ warehouse }}.agg_category_engagement.events_28d is
'Events of the 28 days ending on the last day of the data.';
comment on column {{ warehouse }}.agg_category_engagement.events_28d_before is
'Events of the 28 days before these.';
comment on column {{ warehouse }}.agg_category_engagement.trend_28d is
'events_28d / events_28d_before - 1; null if there were none before.';
comment on column {{ warehouse }}.agg_category_engagement.first_event_date is
'Day of its oldest event.';
comment on column {{ warehouse }}.agg_category_engagement.last_event_date is
'Day of its newest event.';
