-- Place: local
create table if not exists {{ warehouse }}.agg_category_usage (
    transaction_category text not null,
    events bigint not null,
    users bigint not null,
    constraint agg_category_usage_key primary key (transaction_category, events)
);

comment on table {{ warehouse }}.agg_category_usage is
'How many users have how many events in a category. Kept by agg_user_categories.';
comment on column {{ warehouse }}.agg_category_usage.transaction_category is
'Category; unknown where the source had none.';
comment on column {{ warehouse }}.agg_category_usage.events is
'Events in the category: earnings, redemptions and searches.';
comment on column {{ warehouse }}.agg_category_usage.users is
'Users with that number of events in the category.';
