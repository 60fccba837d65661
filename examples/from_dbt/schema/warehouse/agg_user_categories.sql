create table if not exists {{ warehouse }}.agg_user_categories (
    user_id text not null,
    direction text not null,
    transaction_category text not null,
    events bigint not null,
    miles numeric not null,
    constraint agg_user_categories_key primary key (user_id, direction, transaction_category)
);

comment on table {{ warehouse }}.agg_user_categories is
'Miles that a user earned and redeemed in a category. One row per user, direction and category.';
