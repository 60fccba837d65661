-- Place: local
create table if not exists {{ reporting }}.miles_by_category (
    grain text not null,
    period_start date not null,
    direction text not null,
    transaction_category text not null,
    slice text not null,
    slice_value text not null,
    miles numeric not null,
    transactions bigint not null,
    users bigint not null,
    miles_per_transaction numeric not null,
    is_complete boolean not null,
    constraint miles_by_category_key primary key (
        grain, period_start, direction, transaction_category, slice, slice_value
    )
);

comment on table {{ reporting }}.miles_by_category is
'Where miles are earned and redeemed. One row per grain, period, direction, category and slice '
'value with a transaction.';
comment on column {{ reporting }}.miles_by_category.grain is 'day, week (ISO) or month.';
comment on column {{ reporting }}.miles_by_category.period_start is 'First day of the period.';
comment on column {{ reporting }}.miles_by_category.direction is 'earned or redeemed.';
comment on column {{ reporting }}.miles_by_category.transaction_category is
'Category; unknown where the source had none.';
comment on column {{ reporting }}.miles_by_category.slice is
'all, country, platform or utm_source.';
comment on column {{ reporting }}.miles_by_category.slice_value is
'Member of the slice; all in slice all.';
comment on column {{ reporting }}.miles_by_category.miles is 'Miles.';
comment on column {{ reporting }}.miles_by_category.transactions is 'Events.';
comment on column {{ reporting }}.miles_by_category.users is 'Users with such an event.';
comment on column {{ reporting }}.miles_by_category.miles_per_transaction is
'miles / transactions.';
comment on column {{ reporting }}.miles_by_category.is_complete is
'Whether the data go beyond the last day of the period.';
