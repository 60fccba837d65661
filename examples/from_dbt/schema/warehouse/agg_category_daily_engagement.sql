create table if not exists {{ warehouse }}.agg_category_daily_engagement (
    event_date date not null,
    transaction_category text not null,
    events bigint not null,
    users bigint not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    constraint agg_category_daily_engagement_key primary key (event_date, transaction_category)
);

comment on table {{ warehouse }}.agg_category_daily_engagement is
'What happened in a category on a day. One row per day and category with events.';
