-- Place: local
create table if not exists {{ reporting }}.category_performance (
    grain text not null,
    period_start date not null,
    transaction_category text not null,
    events bigint not null,
    users bigint not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    share_of_users numeric not null,
    growth numeric,
    is_complete boolean not null,
    constraint category_performance_key primary key (grain, period_start, transaction_category)
);

comment on table {{ reporting }}.category_performance is
'Which categories grow. One row per grain, period and category with an event.';
comment on column {{ reporting }}.category_performance.grain is 'day, week (ISO) or month.';
comment on column {{ reporting }}.category_performance.period_start is 'First day of the period.';
comment on column {{ reporting }}.category_performance.transaction_category is
'Category; unknown where the source had none.';
comment on column {{ reporting }}.category_performance.events is
'Earnings, redemptions and searches in the category.';
comment on column {{ reporting }}.category_performance.users is 'Users with such an event.';
comment on column {{ reporting }}.category_performance.miles_earned is 'Miles earned.';
comment on column {{ reporting }}.category_performance.miles_redeemed is 'Miles redeemed.';
comment on column {{ reporting }}.category_performance.share_of_users is
'users / active users of the period, whatever they did.';
comment on column {{ reporting }}.category_performance.growth is
'users / users of the calendar period before - 1; null when there were none or the period is not '
'complete.';
comment on column {{ reporting }}.category_performance.is_complete is
'Whether the data go beyond the last day of the period.';
