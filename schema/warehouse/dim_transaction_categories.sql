-- Place: local
create table if not exists {{ warehouse }}.dim_transaction_categories (
    transaction_category text not null,
    is_earned boolean not null,
    is_redeemed boolean not null,
    is_searched boolean not null,
    first_seen_date date not null,
    constraint dim_transaction_categories_key primary key (transaction_category)
);

comment on table {{ warehouse }}.dim_transaction_categories is
'Categories and the roles they play. One row per category.';
comment on column {{ warehouse }}.dim_transaction_categories.transaction_category is
'Category; unknown where the source had none.';
comment on column {{ warehouse }}.dim_transaction_categories.is_earned is
'Whether miles were ever earned in it.';
comment on column {{ warehouse }}.dim_transaction_categories.is_redeemed is
'Whether miles were ever redeemed in it.';
comment on column {{ warehouse }}.dim_transaction_categories.is_searched is
'Whether it was ever searched for.';
comment on column {{ warehouse }}.dim_transaction_categories.first_seen_date is
'Day of its oldest event.';
