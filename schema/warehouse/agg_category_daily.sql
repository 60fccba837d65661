-- Place: local
create table if not exists {{ warehouse }}.agg_category_daily (
    transaction_category text not null,
    event_date date not null,
    users bigint not null,
    events bigint not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    share_of_events numeric not null,
    trend_7d numeric,
    constraint agg_category_daily_key primary key (transaction_category, event_date)
);

comment on table {{ warehouse }}.agg_category_daily is
'A category on a day. One row per category and day with an event.';
comment on column {{ warehouse }}.agg_category_daily.transaction_category is
'Category; unknown where the source had none.';
comment on column {{ warehouse }}.agg_category_daily.event_date is
'Calendar day of the event in reporting_timezone.';
comment on column {{ warehouse }}.agg_category_daily.users is
'Users with an event in the category.';
comment on column {{ warehouse }}.agg_category_daily.events is 'Events in the category.';
comment on column {{ warehouse }}.agg_category_daily.miles_earned is 'Miles earned.';
comment on column {{ warehouse }}.agg_category_daily.miles_redeemed is 'Miles redeemed.';
comment on column {{ warehouse }}.agg_category_daily.share_of_events is
'Events / events of all categories on that day.';
comment on column {{ warehouse }}.agg_category_daily.trend_7d is
'Events of the 7 days ending that day / events of the 7 days before - 1; null if there were none.';
