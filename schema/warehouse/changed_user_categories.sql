-- Place: local
create table if not exists {{ warehouse }}.changed_user_categories (
    user_id text not null,
    transaction_category text not null,
    first_changed_day date not null,
    span_start date not null,
    span_end date not null,
    constraint changed_user_categories_key primary key (user_id, transaction_category)
);

comment on table {{ warehouse }}.changed_user_categories is
'Categories of users that the running build recomputes. One row per user and category.';
comment on column {{ warehouse }}.changed_user_categories.user_id is 'The user.';
comment on column {{ warehouse }}.changed_user_categories.transaction_category is
'Category; unknown where the source had none.';
comment on column {{ warehouse }}.changed_user_categories.first_changed_day is
'First changed day of the user.';
comment on column {{ warehouse }}.changed_user_categories.span_start is
'First day of the weeks and months that the changed days of the user lie in.';
comment on column {{ warehouse }}.changed_user_categories.span_end is
'Last day of those weeks and months.';
