create table if not exists {{ warehouse }}.dim_transaction_categories (
    transaction_category text not null,
    event_type text not null,
    first_seen_at timestamptz not null,
    constraint dim_transaction_categories_key primary key (transaction_category)
);

comment on table {{ warehouse }}.dim_transaction_categories is 'One row per category.';
